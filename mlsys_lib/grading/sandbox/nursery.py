"""The grader's side of a sandbox's processes: a namespace, its nursery and the workers in it."""

import itertools
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.plain import FrameError, decode, encode
from mlsys_lib.grading.sandbox.bubblewrap import Namespace
from mlsys_lib.grading.sandbox.limits import Limits
from mlsys_lib.grading.sandbox.link import Link
from mlsys_lib.grading.sandbox.seccomp import rank_filter
from mlsys_lib.grading.sandbox.unprotected import UNSAFE, Unprotected
from mlsys_lib.grading.sandbox.watch import Watch, wait_for_memory

_PACKET_BYTES = 2**16
_START_S = 60.0  # torch from a cold disk
_WAITS_S = (1.0, 5.0)  # before a second and a third try
_ANSWER_S = 2.0  # of a nursery that is not stopped, on a busy machine


def start_nursery(
    library: Path, limits: Limits, preload: Sequence[str], user: str | None
) -> "Nursery":
    """Return a `Nursery`; a computer that is busy or short of memory is asked again.

    Raises
    ------
    RuntimeError
        It did not start, three times; none of a student's code was in it yet.
    """
    for wait_s in _WAITS_S:
        try:
            return Nursery(library, limits, preload, user)
        except RuntimeError:
            time.sleep(wait_s)
    return Nursery(library, limits, preload, user)


class Nursery:
    """Started with its namespace; `close` ends everything in it.

    Parameters
    ----------
    library : Path
    limits : Limits
    preload : sequence of str
        Modules to import before any worker is forked.
    user : str or None

    Attributes
    ----------
    start_s : float
        How long it took to start, without waiting for memory.
    """

    def __init__(
        self, library: Path, limits: Limits, preload: Sequence[str], user: str | None
    ) -> None:
        wait_for_memory()
        begun_s = time.monotonic()
        self._limits = limits
        self._numbers = itertools.count()
        self._ended: dict[int, int] = {}  # exit codes by worker
        self._pings = self._ponged = 0
        self._lock = threading.Lock()
        self._links: list[Link] = []
        self._control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with inside:
                self._namespace = (
                    Unprotected(library, limits, inside)
                    if user == UNSAFE
                    else Namespace(library, limits, inside, user)
                )
        except RuntimeError:
            self._control.close()
            raise
        self._watch = Watch(
            self._namespace.init,
            limits.memory_bytes,
            self._namespace.end,
            counts_kernel=user != UNSAFE,
        )
        self._watch.start()
        problem = self._wait_until_ready(preload, b"" if user == UNSAFE else rank_filter())
        if problem:
            complaint = self._namespace.complaint() or problem
            self.close()
            raise RuntimeError(f"the sandbox did not start: {complaint}")
        self._control.setblocking(False)
        self.start_s = time.monotonic() - begun_s

    def _wait_until_ready(self, preload: Sequence[str], for_ranks: bytes) -> str:
        """Tell the nursery what to import and how to filter ranks; return what went wrong."""
        try:
            self._control.send(encode((tuple(preload), for_ranks.hex()))[0])
            ready, _, _ = select.select([self._control], [], [], _START_S)
            if not ready:
                return f"no answer in {_START_S:g} s"
            if self._control.recv(_PACKET_BYTES) == encode(("ready",))[0]:
                return ""
        except ConnectionError:
            pass
        fault = self._watch.fault
        return fault.message if fault else "its first process ended before it answered"

    def fork(self, *, is_filtered: bool) -> Link:
        """Return a new worker; a filtered one can share nothing with others but messages."""
        number = next(self._numbers)
        connection, theirs = socket.socketpair()
        output, their_output = os.pipe()
        try:
            self._send(("fork", number, is_filtered), [theirs.fileno(), their_output])
        finally:
            theirs.close()
            os.close(their_output)
        link = Link(number, connection, output, self.check, self._limits.message_bytes)
        self._links.append(link)
        return link

    def kill(self, link: Link) -> None:
        """End one worker and its group."""
        self._send(("kill", link.number))
        self._links.remove(link)
        link.close()

    def _send(self, request: tuple[Any, ...], fds: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._control, [encode(request)[0]], fds)
        except OSError as error:
            raise self._nursery_ended() from error

    def check(self, number: int) -> None:
        """Raise `StudentFault` when worker `number` has ended, or memory runs out."""
        with self._lock:
            self._read_endings()
            code = self._ended.get(number)
        if code is not None:
            raise StudentFault("died", "died", _in_words(code))

    def check_all(self) -> None:
        """Raise `StudentFault` when the nursery does not answer: a cell may have killed it."""
        self._pings += 1
        self._send(("ping", self._pings))
        with self._lock:
            deadline_s = time.monotonic() + _ANSWER_S
            while self._ponged < self._pings and time.monotonic() < deadline_s:
                select.select([self._control], [], [], _ANSWER_S)
                self._read_endings()
            if self._ponged < self._pings:
                raise self._nursery_ended()

    def _read_endings(self) -> None:
        while True:
            try:
                kind, *numbers = decode(self._control.recv(_PACKET_BYTES), 0)[0]
            except BlockingIOError:
                return
            except (OSError, FrameError) as error:
                raise self._nursery_ended() from error
            if kind == "ended":
                self._ended[numbers[0]] = numbers[1]
            else:
                self._ponged = numbers[0]

    def _nursery_ended(self) -> StudentFault:
        words = "all processes of the sandbox were ended"
        return self._watch.fault or StudentFault("died", "died", words)

    def close(self) -> None:
        """Kill everything inside, wait until it is gone, and close all descriptors."""
        self._watch.stop()
        self._namespace.kill()  # before the nursery hears that it may go: it knows its workers
        self._control.close()
        for link in self._links:
            link.close()
        self._links.clear()


def _in_words(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        return f"its process was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"its process was killed by signal {-code}"
