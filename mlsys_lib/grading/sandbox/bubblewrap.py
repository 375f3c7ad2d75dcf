"""A namespace of processes around one nursery, started by bubblewrap, ended whole.

Inside there are the system's programs and libraries, Python with its packages, and the filtered
library: all read-only, without /proc, /etc, homes or network. Only /tmp can be written, in memory.
The environment is cleared, and no descriptor is inherited but those named.
"""

import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlsys_lib.grading.sandbox.limits import Limits
from mlsys_lib.grading.sandbox.seccomp import sandbox_filter

LIBRARY = "/library"
_SITE = "/site"
_SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec",
           "/usr/share/zoneinfo", "/etc/ld.so.cache", "/proc/cpuinfo", "/proc/meminfo")  # fmt: skip
_OF_PYTHON = ("bin", "lib", "lib64")
ENVIRONMENT = {
    "HOME": "/tmp", "TMPDIR": "/tmp", "USER": "student", "LOGNAME": "student", "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/matplotlib", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo",
}  # fmt: skip
_END_S = 10.0  # for the kernel to end all processes of a namespace

# As root: Python may lie where another user cannot look, so it is bound into a folder that can be
# seen. The mounts are this process's own: nobody else sees them, and they go with it.
_STAGES = ("/mnt", "/media", "/srv", "/opt")
_AS_ANOTHER_USER = """
stage=$1 user=$2 group=$3; shift 3
mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs "$stage" || exit 1
while [ "$1" != -- ]; do
    mkdir "$2" && mount --rbind "$1" "$2" || exit 1
    shift 2
done
shift
exec setpriv --reuid="$user" --regid="$group" --clear-groups "$@"
"""


@dataclass(frozen=True)
class _Mount:
    """What is bound read-only.

    Attributes
    ----------
    source : str
        Where it lies on this computer.
    target : str
        Where it is seen inside.
    staged : str
        Where bubblewrap finds it: the source, or its place on the stage.
    """

    source: str
    target: str
    staged: str


def _mounts(library: Path, user: str | None) -> list[_Mount]:
    """Return what is bound besides the system: Python, its packages, the library."""
    python = Path(sys.base_prefix).resolve()
    pairs = [
        (str(python / part), str(python / part))
        for part in _OF_PYTHON
        if (python / part).is_dir() and python != Path("/usr")
    ]
    pairs += [(sysconfig.get_path("purelib"), _SITE), (str(library.resolve()), LIBRARY)]
    if user is None:
        return [_Mount(source, target, source) for source, target in pairs]
    stage = _stage_for([source for source, _ in pairs])
    return [
        _Mount(source, target, f"{stage}/{number}") for number, (source, target) in enumerate(pairs)
    ]


def _masks(mounts: Sequence[_Mount]) -> list[str]:
    """Return the copies of this library inside that would show what an exercise withholds."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    inside = [
        f"{mount.target}/{folder}mlsys_lib"
        for mount in mounts
        for folder in ("", f"{version}/site-packages/")
        if mount.target != LIBRARY and Path(f"{mount.source}/{folder}mlsys_lib").is_dir()
    ]
    packages = (f"{version}/site-packages", "python3/dist-packages")
    system = [f"/usr/lib/{folder}/mlsys_lib" for folder in packages]
    return inside + [path for path in system if Path(path).is_dir() and path not in inside]


def _arguments(mounts: Sequence[_Mount], limits: Limits) -> list[str]:
    arguments = ["--clearenv"]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    for path in _SYSTEM:
        arguments += ["--ro-bind-try", path, path]
    for name in ("bin", "lib", "lib32", "lib64"):
        if Path(f"/{name}").is_symlink():
            arguments += ["--symlink", f"usr/{name}", f"/{name}"]
        else:
            arguments += ["--ro-bind-try", f"/{name}", f"/{name}"]
    for mount in mounts:
        arguments += ["--ro-bind", mount.staged, mount.target]
    for path in _masks(mounts):
        arguments += ["--size", "4096", "--tmpfs", path, "--remount-ro", path]
    arguments += ["--dev", "/dev", "--size", str(limits.disk_bytes), "--tmpfs", "/tmp"]
    return [*arguments, "--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"]


_ISOLATION = ("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL",
              "--new-session", "--die-with-parent")  # fmt: skip


def _wrapped(user: str | None, mounts: Sequence[_Mount]) -> list[str]:
    """Return the command that runs what follows as `user`, with `mounts` staged for it."""
    if user is None:
        return []
    named = pwd.getpwnam(user)
    stage = _stage_for([mount.source for mount in mounts])
    pairs = [path for mount in mounts for path in (mount.source, mount.staged)]
    return [
        "unshare", "--mount", "sh", "-c", _AS_ANOTHER_USER, "sh", stage, str(named.pw_uid),
        str(named.pw_gid), *pairs, "--",
    ]  # fmt: skip


def _stage_for(sources: Sequence[str]) -> str:
    """Return a folder that every Linux has, and under which nothing lies that is to be staged."""
    for stage in _STAGES:
        if Path(stage).is_dir() and not any(Path(s).is_relative_to(stage) for s in sources):
            return stage
    raise RuntimeError(f"the sandbox needs one of the folders {', '.join(_STAGES)} free")


def probe_command(user: str | None) -> list[str]:
    """Return a command that succeeds where a sandbox can be had."""
    run = [
        *("bwrap", *_ISOLATION, "--ro-bind", "/", "/", "--dev", "/dev"),
        *("--size", "4096", "--tmpfs", "/tmp", "/usr/bin/true"),
    ]
    return [*_wrapped(user, ()), *run]


def _pipe_with(data: bytes) -> int:
    """Return the reading end of a pipe that holds `data` (less than its 64 KiB) and then ends."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(data)
    return reading


class Namespace:
    """The processes of one sandbox.

    Parameters
    ----------
    library : Path
        What `library_without` made.
    limits : Limits
    control : socket
        The nursery's end of its socket.
    user : str or None
        The user to run as, when this process is root's.

    Attributes
    ----------
    init : int
        Process number, outside, of the namespace's first process: all others are its descendants.
    """

    def __init__(
        self, library: Path, limits: Limits, control: socket.socket, user: str | None
    ) -> None:
        self._stderr = tempfile.TemporaryFile()
        mounts = _mounts(library, user)
        info, info_inside = os.pipe()
        pipes = [
            _pipe_with("\0".join(_arguments(mounts, limits)).encode()),
            _pipe_with(sandbox_filter()),
        ]
        command = [
            *_wrapped(user, mounts),
            *("bwrap", *_ISOLATION, "--args", str(pipes[0]), "--seccomp", str(pipes[1])),
            *("--info-fd", str(info_inside), "--"),
            *python_command(control.fileno(), limits, [LIBRARY, _SITE]),
        ]
        fds = [*pipes, info_inside, control.fileno()]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=self._stderr, pass_fds=fds, start_new_session=True,
            )  # fmt: skip
        finally:
            for fd in (*pipes, info_inside):
                os.close(fd)
        self.init = self._read_info(info)
        self._init_fd = os.pidfd_open(self.init)

    def _read_info(self, info: int) -> int:
        with os.fdopen(info, "rb") as file:
            told = file.read()
        try:
            pid: int = json.loads(told)["child-pid"]
        except (ValueError, KeyError):
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"the sandbox did not start: {self.complaint()}") from None
        return pid

    def complaint(self) -> str:
        """Return what the sandbox itself wrote to its standard error, the end of it."""
        self._stderr.seek(0)
        return self._stderr.read(2**16).decode(errors="replace").strip()[-500:]

    def end(self) -> None:
        """Begin to end every process."""
        try:
            signal.pidfd_send_signal(self._init_fd, signal.SIGKILL)
        except ProcessLookupError:
            pass  # ended by itself

    def kill(self) -> None:
        """End every process, and return when the kernel has ended them all."""
        self.end()
        # The first process of a namespace is gone only when all others are.
        gone, _, _ = select.select([self._init_fd], [], [], _END_S)
        self._process.kill()
        self._process.wait()
        os.close(self._init_fd)
        self._stderr.close()
        if not gone:
            raise RuntimeError(f"processes of the sandbox still ran after {_END_S:g} s")


def python_command(control: int, limits: Limits, paths: Sequence[str]) -> list[str]:
    """Return the command that starts a nursery, whose modules lie in `paths`."""
    executable = Path(sys.base_prefix).resolve() / "bin" / f"python3.{sys.version_info.minor}"
    start = (
        f"import sys; sys.path[:0] = {list(paths)!r}; "
        "from mlsys_lib.grading.sandbox.inside.nursery import main; "
        f"main({control}, {limits.memory_bytes}, {limits.disk_bytes}, {limits.processes})"
    )
    return [str(executable), "-s", "-S", "-B", "-P", "-c", start]
