"""Processes that grade side by side, none of which can end the run.

`concurrent.futures` gives up the whole pool when one process dies. Here a lost process costs the
one item it had, another takes its place, and all of them die with the process that started them.
They are started afresh, not forked, so they inherit neither its lock nor its database.
"""

import ctypes
import multiprocessing
import os
import resource
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

_PR_SET_PDEATHSIG = 1
_context = multiprocessing.get_context("spawn")


class Batch:
    """What `function` makes of each item, in the order in which they are done.

    Iterating starts the processes and yields ``(item, result, None)``, or ``(item, None, reason)``
    where the function raised, its process died, or took longer than the deadline.

    Parameters
    ----------
    function : callable
        Of one item; it, the items and the results are pickled, so it must be a module's own.
    items : sequence
        What to work on, in this order.
    num_workers : int
        Processes side by side; at least 1.
    deadline_s : float
        After so many seconds with one item a process is killed.
    memory_bytes : int
        What each process may allocate; beyond it, Python's own MemoryError.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        num_workers: int,
        deadline_s: float,
        memory_bytes: int = 2**32,
    ) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers must be at least 1, got {num_workers}")
        self._function, self._items = function, items
        self._num_workers, self._deadline_s = min(num_workers, len(items)), deadline_s
        self._memory_bytes = memory_bytes

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[tuple[Any, Any, str | None]]:
        waiting = deque(self._items)
        workers = [_Worker(self._function, self._memory_bytes) for _ in range(self._num_workers)]
        try:
            while waiting or any(worker.busy for worker in workers):
                for worker in workers:
                    if waiting and not worker.busy:
                        worker.give(waiting.popleft(), self._deadline_s)
                busy = [worker for worker in workers if worker.busy]
                first_s = min(worker.deadline for worker in busy) - time.monotonic()
                wait([worker.connection for worker in busy], max(0.0, first_s))
                for worker in busy:
                    yield from worker.take()
        finally:
            for worker in workers:
                worker.kill()


class _Worker:
    """One process, and a pipe to it."""

    def __init__(self, function: Callable[[Any], Any], memory_bytes: int) -> None:
        self._function, self._memory_bytes = function, memory_bytes
        self.busy = False
        self._start()

    def _start(self) -> None:
        self.connection, theirs = _context.Pipe()
        self._process = _context.Process(
            target=_serve,
            args=(theirs, self._function, os.getpid(), self._memory_bytes),
            daemon=True,
        )
        self._process.start()
        theirs.close()  # so that the process's end is the end of the pipe

    def give(self, item: Any, deadline_s: float) -> None:
        self.item, self.busy = item, True
        self.deadline = time.monotonic() + deadline_s
        try:
            self.connection.send(item)
        except OSError:
            pass  # it died while idle; `take` finds the end of the pipe

    def take(self) -> Iterator[tuple[Any, Any, str | None]]:
        """Yield the answer, or what became of it; nothing while it is still awaited."""
        if self.connection.poll():
            try:
                result, reason = self.connection.recv()
            except (EOFError, OSError):
                result, reason = None, self._replace()
        elif time.monotonic() >= self.deadline:
            self._replace()
            result, reason = None, "took longer than any submission may"
        else:
            return
        self.busy = False
        yield self.item, result, reason

    def _replace(self) -> str:
        self.kill()
        reason = f"the grading process ended (exit code {self._process.exitcode})"
        self._start()
        return reason

    def kill(self) -> None:
        self.connection.close()
        self._process.join(0.05)  # a process that has just died tells its own exit code
        self._process.kill()
        self._process.join()


def _serve(
    connection: Connection, function: Callable[[Any], Any], parent: int, memory_bytes: int
) -> None:
    """Answer each item until the pipe ends; runs in the process."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started us
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return  # it was gone before we asked to die with it
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        try:
            answer: tuple[Any, str | None] = function(item), None
        except Exception as error:
            answer = None, f"{type(error).__name__}: {error}"
        connection.send(answer)
