"""The first Python of a sandbox: it sets limits and forks workers. Students' code never runs here.

Each request is one packet on a socket that no worker inherits: ``("fork", number, is_filtered)``,
with the worker's socket and output attached; ``("kill", number)``; or ``("ping", count)``, which is
answered ``("pong", count)``. The nursery tells of each worker that ended: ``("ended", number, exit
code)``, negative for a signal.
"""

import gc
import importlib
import os
import resource
import select
import signal
import socket
from pathlib import Path
from typing import Any

from mlsys_lib.grading.plain import decode, encode
from mlsys_lib.grading.sandbox.inside.isolation import end_with_parent, install_filter
from mlsys_lib.grading.sandbox.inside.worker import Worker

_PACKET_BYTES = 2**16
_OWN_PROCESSES = 8  # this one, and what bubblewrap needs
_OPEN_FILES = 512
_WORKER_FD = 3


def main(control: int, memory_bytes: int, disk_bytes: int, processes: int) -> None:
    """Serve the socket `control` until it is closed."""
    Path(os.environ["MPLCONFIGDIR"]).mkdir()  # ranks could not make it
    _set_limits(memory_bytes, disk_bytes, processes)
    Nursery(socket.socket(fileno=control)).serve()


def _set_limits(memory_bytes: int, disk_bytes: int, processes: int) -> None:
    for kind, limit in (
        (resource.RLIMIT_NPROC, processes + _OWN_PROCESSES),
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_FSIZE, disk_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_STACK, 2**23),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


class Nursery:
    """Forks workers.

    Parameters
    ----------
    control : socket
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pids: dict[int, int] = {}  # by the worker's number
        self._numbers: dict[int, int] = {}  # by a descriptor of its process
        self._filter: bytes = b""

    def serve(self) -> None:
        """Answer requests until the grader is gone."""
        (preload, rank_filter), _ = self._request()
        self._filter = bytes.fromhex(rank_filter)
        for module in preload:
            importlib.import_module(module)
        self._tell("ready")
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._control.fileno():
                    self._serve_one(poll)
                else:
                    poll.unregister(fd)
                    self._reap(fd)

    def _request(self) -> tuple[Any, list[int]]:
        data, fds, _, _ = socket.recv_fds(self._control, _PACKET_BYTES, 2)
        if not data:
            os._exit(0)
        return decode(data, 0)[0], fds

    def _tell(self, *words: Any) -> None:
        self._control.send(encode(words)[0])

    def _serve_one(self, poll: "select.poll") -> None:
        request, fds = self._request()
        if request[0] == "fork":
            poll.register(self._fork(request[1], request[2], fds), select.POLLIN)
        elif request[0] == "ping":
            self._tell("pong", request[1])
        elif request[1] in self._pids:
            _kill(self._pids[request[1]])

    def _fork(self, number: int, is_filtered: bool, fds: list[int]) -> int:
        if is_filtered:  # once, before any rank: each would import it for itself
            importlib.import_module("mlsys_lib.grading.sandbox.inside.ranks")
        gc.freeze()  # a collection in the child would write to, and so copy, every page
        pid = os.fork()
        if pid == 0:
            _become_worker(fds, self._filter if is_filtered else b"")
        for fd in fds:
            os.close(fd)
        self._pids[number] = pid
        watched = os.pidfd_open(pid)
        self._numbers[watched] = number
        return watched

    def _reap(self, watched: int) -> None:
        number = self._numbers.pop(watched)
        os.close(watched)
        _, status = os.waitpid(self._pids.pop(number), 0)
        self._tell("ended", number, os.waitstatus_to_exitcode(status))


def _become_worker(fds: list[int], rank_filter: bytes) -> None:
    """Serve as a worker, in a session of its own, with no descriptor but the worker's."""
    try:
        end_with_parent()
        os.setsid()
        connection, output = fds
        os.dup2(output, 1)
        os.dup2(output, 2)
        moved = os.dup(connection)  # it may itself be the number that it is to get
        os.dup2(moved, _WORKER_FD)
        os.closerange(_WORKER_FD + 1, _OPEN_FILES)
        if rank_filter:
            install_filter(rank_filter)
        Worker(_WORKER_FD).serve()
    finally:  # whatever happens, never back into the nursery's loop
        os._exit(1)


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not made its session yet
        os.kill(pid, signal.SIGKILL)
