"""No sandbox: a submission's processes run with the grader's own rights.

For a machine that can have none, and students whom you would give your password. A submission can
read the hidden tests, the gradebook and every file of yours, write them, use the network, and leave
processes behind that hide. Limits of time, output and memory hold for code that does not resist.
What stays of split execution: tests run in another process, and plain data come back.
"""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
from dataclasses import replace
from pathlib import Path

from mlsys_lib.grading.sandbox.bubblewrap import ENVIRONMENT, python_command
from mlsys_lib.grading.sandbox.limits import Limits

UNSAFE = "<nobody: no sandbox>"
"""In place of the user whom a sandbox runs as; no user is called that."""

_PROC = Path("/proc")


class Unprotected:
    """Stands in for `Namespace`; parameters and attributes are those."""

    def __init__(self, library: Path, limits: Limits, control: socket.socket) -> None:
        self._stderr = tempfile.TemporaryFile()
        self._folder = tempfile.mkdtemp(prefix="mlsys-grade-")
        own = {"HOME": self._folder, "TMPDIR": self._folder}
        own["MPLCONFIGDIR"] = f"{self._folder}/matplotlib"
        paths = [str(library.resolve()), sysconfig.get_path("purelib")]
        room = replace(limits, processes=limits.processes + _running_threads())
        self._process = subprocess.Popen(
            python_command(control.fileno(), room, paths),
            cwd=self._folder, env=ENVIRONMENT | own, pass_fds=[control.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._stderr,
            start_new_session=True,
        )  # fmt: skip
        self.init = self._process.pid

    def complaint(self) -> str:
        """Return what the nursery wrote to its standard error, the end of it."""
        self._stderr.seek(0)
        return self._stderr.read(2**16).decode(errors="replace").strip()[-500:]

    def end(self) -> None:
        """End every process that can be found, children before their parents are gone."""
        while found := _descendants(self.init):
            for pid in found:
                _kill(pid)
        _kill(self.init)

    def kill(self) -> None:
        """End them, and remove the folder that was theirs."""
        self.end()
        self._process.wait()
        self._stderr.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _descendants(init: int) -> list[int]:
    """Return the running processes below `init`, itself not among them."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if stat[0] != "Z":
                children.setdefault(int(stat[1]), []).append(int(entry.name))
    found = list(children.get(init, ()))
    for pid in found:  # it grows on the way
        found += children.get(pid, ())
    return found


def _running_threads() -> int:
    """Return how many threads this user has: the kernel's limit counts them all."""
    return sum(_own_threads(entry) for entry in _PROC.iterdir() if entry.name.isdigit())


def _own_threads(process: Path) -> int:
    try:
        is_own = process.stat().st_uid == os.getuid()
        return len(list((process / "task").iterdir())) if is_own else 0
    except OSError:  # it has ended meanwhile
        return 0


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended meanwhile
