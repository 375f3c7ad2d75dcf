"""The memory of a sandbox's processes, read from outside while the grader waits for them."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlsys_lib.grading.faults import StudentFault

_EVERY_S = 0.05
_FORGET_EVERY = 20  # looks; numbers of processes are used again
_PAGE_BYTES = 4096
# What the kernel keeps for a student belongs to no process: an inode and a name, a socket's buffer.
_ENTRY_BYTES = 2**11
_SOCKET_BYTES = 2**18
_PROC = Path("/proc")


def floor_bytes() -> int:
    """Return how much memory of this computer must stay free: 5 %, at least 256 MiB."""
    return max(2**28, _meminfo("MemTotal") // 20)


def available_bytes() -> int:
    """Return how much memory of this computer is free or can be had."""
    return _meminfo("MemAvailable")


def _meminfo(name: str) -> int:
    for line in (_PROC / "meminfo").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/meminfo has no {name}")


def wait_for_memory(patience_s: float = 30.0) -> None:
    """Return when this computer has memory to start a sandbox.

    Raises
    ------
    RuntimeError
        It has not after `patience_s` seconds.
    """
    deadline_s = time.monotonic() + patience_s
    while available_bytes() < floor_bytes():
        if time.monotonic() > deadline_s:
            raise RuntimeError(
                f"this computer has less than {floor_bytes() >> 20} MiB of memory left: end other "
                "programs, or grade with fewer workers"
            )
        time.sleep(0.2)


class Watch(threading.Thread):
    """Looks every 50 ms at the memory of all descendants of one process.

    A thread of its own, because a student's processes may grow while the grader does other things.
    Resident pages that processes share (after a fork) count once: their exact share is read only
    when the plain sum is above the limit. Files and sockets count too, at a flat rate, since a
    million empty ones fill a computer and belong to no process.

    Parameters
    ----------
    init : int
        The first process of the namespace.
    limit_bytes : int
    kill : callable
        Called once, when too much is used.
    counts_kernel : bool
        Whether the process has a network and a /tmp of its own, so that what the kernel keeps there
        is the student's.

    Attributes
    ----------
    fault : StudentFault or None
        Set before `kill` is called.
    """

    def __init__(
        self,
        init: int,
        limit_bytes: int,
        kill: Callable[[], None],
        *,
        counts_kernel: bool = True,
    ) -> None:
        super().__init__(daemon=True)
        self._kernels = init if counts_kernel else None
        self.fault: StudentFault | None = None
        self._kill = kill
        self._stopped = threading.Event()
        self._limit_bytes = limit_bytes
        self._floor_bytes = floor_bytes()
        self._ours = {init}
        self._others: set[int] = set()
        self._looks = 0
        self._shared_bytes = 0
        self._counted = 0  # processes, when the shared pages were last read

    def run(self) -> None:
        """Look until `stop`, or until too much is used."""
        while self.fault is None and not self._stopped.wait(_EVERY_S):
            problem = self._problem()
            if problem:
                self.fault = StudentFault("memory", "memory", problem)
                self._kill()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self.join()

    def _problem(self) -> str:
        self._find()
        used = self._used_bytes() + _kernel_bytes(self._kernels)
        if used > self._limit_bytes:
            return f"used {used >> 20} MiB of {self._limit_bytes >> 20} MiB"
        if available_bytes() < self._floor_bytes:
            return "this computer ran short of memory"
        return ""

    def _find(self) -> None:
        """Bring `_ours` up to date: processes whose parent is one of ours."""
        running = {int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()}
        self._looks += 1
        if self._looks % _FORGET_EVERY == 0:
            self._others.clear()
        self._ours &= running
        self._others &= running
        parents = {pid: _parent(pid) for pid in running - self._ours - self._others}
        while found := {p for p, parent in parents.items() if parent in self._ours} - self._ours:
            self._ours |= found
        self._others |= parents.keys() - self._ours

    def _used_bytes(self) -> int:
        resident = sum(_resident_bytes(pid) for pid in self._ours)
        if resident <= self._limit_bytes:
            return resident
        if len(self._ours) != self._counted or resident - self._shared_bytes > self._limit_bytes:
            exact = sum(_proportional_bytes(pid) for pid in self._ours)
            self._shared_bytes = resident - exact
            self._counted = len(self._ours)
        return resident - self._shared_bytes


def _kernel_bytes(init: int | None) -> int:
    """Return about what the kernel holds for the files in /tmp and the sockets of a namespace."""
    if init is None:
        return 0
    words = _read(init, "net/sockstat").split()  # "sockets: used 3 …"
    sockets = int(words[2]) if len(words) > 2 else 0
    try:
        tmp = os.statvfs(_PROC / str(init) / "root" / "tmp")
    except OSError:  # it has ended meanwhile
        return 0
    return (tmp.f_files - tmp.f_ffree) * _ENTRY_BYTES + sockets * _SOCKET_BYTES


def _parent(pid: int) -> int:
    stat = _read(pid, "stat")
    return int(stat.rpartition(")")[2].split()[1]) if stat else 0


def _resident_bytes(pid: int) -> int:
    statm = _read(pid, "statm")
    return int(statm.split()[1]) * _PAGE_BYTES if statm else 0


def _proportional_bytes(pid: int) -> int:
    for line in _read(pid, "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text()
    except OSError:  # it has ended meanwhile
        return ""
