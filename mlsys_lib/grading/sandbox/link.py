"""The grader's end of one worker: frames with a deadline, from somebody who may send anything."""

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.plain import (
    HEADER,
    FrameError,
    bytes_of,
    check_filled,
    decode,
    frame,
    read_header,
)
from mlsys_lib.grading.sandbox.output import Drain, Output

_TICK_S = 0.05
_BUFFERS = 64  # of one sendmsg


class Deadline:
    """When to stop waiting.

    Parameters
    ----------
    seconds : float
        From now.
    limit : str
        How the message names the limit.
    """

    def __init__(self, seconds: float, limit: str) -> None:
        self._end_s = time.monotonic() + seconds
        self._limit = limit

    def left_s(self) -> float:
        """Return the seconds left, at least 0."""
        return max(0.0, self._end_s - time.monotonic())

    def shorten(self, seconds: float) -> None:
        """End in `seconds` from now, if that is earlier."""
        self._end_s = min(self._end_s, time.monotonic() + seconds)

    def check(self) -> None:
        """Raise `StudentFault` with status timeout when the time is over."""
        if time.monotonic() >= self._end_s:
            raise StudentFault("timeout", "timeout", f"stopped at its limit of {self._limit}")


class Link:
    """Sends requests to one worker and reads its answers.

    Parameters
    ----------
    number : int
        The worker's number in the nursery.
    connection : socket
    output : int
        Reading end of the worker's output.
    check : callable
        Called at least every 50 ms while waiting, with the worker's number; raises `StudentFault`
        when the worker has ended, or the sandbox uses too much memory.
    message_bytes : int
        Arrays in one frame.
    """

    def __init__(
        self,
        number: int,
        connection: socket.socket,
        output: int,
        check: Callable[[int], None],
        message_bytes: int,
    ) -> None:
        connection.setblocking(False)
        os.set_blocking(output, False)
        self.number = number
        self.cells = 0  # that it has run
        self._socket = connection
        self._drain = Drain(output)
        self._check = check
        self._message_bytes = message_bytes
        self._requests = 0

    def ask(self, request: Any, deadline: Deadline, output: Output) -> Any:
        """Send a request and return its answer.

        Raises
        ------
        StudentFault
            timeout, memory, or died: the worker ended, or sent what is not an answer.
        NotPlainError
            The request is not plain data; nothing was sent.
        """
        self.send(request, deadline, output)
        return self.receive(deadline, output)

    def send(self, request: Any, deadline: Deadline, output: Output) -> None:
        """Send a request."""
        buffers = frame(self._requests + 1, request)
        self._requests += 1
        left = [memoryview(buffer) for buffer in buffers]
        while left:
            try:
                count = self._socket.sendmsg(left[:_BUFFERS])
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline, output)
                continue
            except OSError as error:
                raise self._ended() from error
            while left and count >= len(left[0]):
                count -= len(left.pop(0))
            if count:
                left[0] = left[0][count:]

    def receive(self, deadline: Deadline, output: Output) -> Any:
        """Return the answer to the last request."""
        deadline.check()  # answers sent ahead are there at once
        header = bytearray(HEADER.size)
        self._fill(memoryview(header), deadline, output)
        try:
            number, tree_bytes, size = read_header(header, self._message_bytes)
            if number != self._requests:
                raise FrameError("an answer that nobody asked for")
            tree = bytearray(tree_bytes)
            self._fill(memoryview(tree), deadline, output)
            value, arrays = decode(tree, size)
            for array in arrays:
                if array.nbytes:
                    self._fill(bytes_of(array), deadline, output)
            check_filled(arrays)
        except FrameError as error:
            raise no_answer(str(error)) from None
        self._drain.rest(output)
        return value

    def _fill(self, view: memoryview, deadline: Deadline, output: Output) -> None:
        while len(view):
            try:
                count = self._socket.recv_into(view)
            except BlockingIOError:
                self._wait(select.POLLIN, deadline, output)
                continue
            except OSError as error:
                raise self._ended() from error
            if count == 0:
                self._drain.rest(output)
                raise self._ended()
            view = view[count:]

    def _wait(self, event: int, deadline: Deadline, output: Output) -> None:
        """Return when the socket is ready; read output meanwhile."""
        poll = select.poll()
        poll.register(self._socket, event)
        if self._drain.is_open:
            poll.register(self._drain.fd, select.POLLIN)
        while True:
            deadline.check()
            ready = dict(poll.poll(1000 * min(_TICK_S, deadline.left_s())))
            if self._drain.fd in ready and not self._drain.once(output):
                poll.unregister(self._drain.fd)
            if self._socket.fileno() in ready:
                return
            self._check(self.number)

    def _ended(self) -> StudentFault:
        """Return why the connection is closed: how the worker ended, when that is known."""
        for _ in range(20):
            try:
                self._check(self.number)
            except StudentFault as fault:
                return fault
            time.sleep(_TICK_S)
        return no_answer("it closed its connection")

    def close(self) -> None:
        """Close both ends that the grader holds."""
        self._socket.close()
        self._drain.close()


def no_answer(reason: str) -> StudentFault:
    """Return the fault of a worker that does not keep to the protocol."""
    return StudentFault("died", "died", f"sent what is not an answer ({reason})")
