"""Whether this machine can have a sandbox; if not, one line that says what to do."""

import ctypes.util
import os
import pwd
import shutil
import subprocess
import sys
from functools import cache

from mlsys_lib.grading.sandbox.bubblewrap import probe_command
from mlsys_lib.grading.sandbox.unprotected import UNSAFE


class NoSandboxError(RuntimeError):
    """No sandbox can be had here; the message is one line with the way out."""


def require_sandbox(user: str | None = None) -> None:
    """Raise `NoSandboxError` unless a sandbox can be started; the answer is kept.

    Parameters
    ----------
    user : str, optional
        When run as root: the user that the sandbox runs as. `UNSAFE` asks for none.
    """
    problem = _problem(user, os.geteuid())
    if problem:
        raise NoSandboxError(problem)


@cache
def _problem(user: str | None, uid: int) -> str:
    if user == UNSAFE:
        return _wrong_system()
    return (
        _wrong_system()
        or _missing_program()
        or _missing_library()
        or _wrong_user(user, uid)
        or _refused_by_the_kernel(user)
    )


def _wrong_system() -> str:
    if sys.platform != "linux":
        return f"grading needs Linux, this is {sys.platform}: use a Linux virtual machine"
    return ""


def _missing_program() -> str:
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed: sudo apt-get install bubblewrap"
    return ""


def _missing_library() -> str:
    if ctypes.util.find_library("seccomp") is None:
        return "libseccomp is not installed: sudo apt-get install libseccomp2"
    try:
        import pyseccomp  # noqa: F401
    except ImportError:
        return 'pyseccomp is not installed: pip install "mlsys_lib[grading]"'
    return ""


def _wrong_user(user: str | None, uid: int) -> str:
    if uid == 0:
        if user is None:
            return (
                "limits do not hold for root: run this as an ordinary user, or name one for the "
                "sandbox: --sandbox-user nobody"
            )
        missing = [name for name in ("unshare", "setpriv") if shutil.which(name) is None]
        if missing:
            return f"{missing[0]} is not installed: sudo apt-get install util-linux"
    if user is None:
        return ""
    if uid != 0:
        return "only root can run the sandbox as another user: leave out --sandbox-user"
    try:
        named = pwd.getpwnam(user)
    except KeyError:
        return f"there is no user {user!r}: name another one with --sandbox-user"
    if named.pw_uid == 0:
        return "the sandbox's user must not be root: --sandbox-user nobody"
    return ""


def _refused_by_the_kernel(user: str | None) -> str:
    """Try the smallest sandbox, and pass on what the kernel says."""
    tried = subprocess.run(
        probe_command(user), stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
    )
    if tried.returncode == 0:
        return ""
    words = tried.stderr.decode(errors="replace").split()
    return (
        f"the kernel refuses a sandbox ({' '.join(words)[:200]}): allow user namespaces with "
        "sudo sysctl -w kernel.unprivileged_userns_clone=1 "
        "kernel.apparmor_restrict_unprivileged_userns=0, those of the two that exist"
    )
