"""A worker's end of its socket: one frame in, one frame out, each to the end."""

from collections.abc import Sequence
from os import _exit, getpid, readv, writev
from typing import Any

from mlsys_lib.grading.plain import HEADER, FrameError, bytes_of, decode, frame, read_header

_AT_ONCE = 2**20
_BUFFERS = 64  # of one writev


class Channel:
    """Carries requests and answers; functions of `os` are taken before students' code runs.

    Parameters
    ----------
    fd : int
        A stream socket.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pid = getpid()
        self.number = 0  # of the request being answered

    def receive(self) -> tuple[Any, list[Any]]:
        """Return the next request and its arrays; when the grader is gone, end the process."""
        header = bytearray(HEADER.size)
        self._fill([memoryview(header)])
        try:
            self.number, tree_bytes, size = read_header(header)
            tree = bytearray(tree_bytes)
            self._fill([memoryview(tree)])
            value, arrays = decode(tree, size)
        except FrameError:
            _exit(1)
        self._fill([bytes_of(a) for a in arrays if a.nbytes])
        return value, arrays

    def answer(self, value: Any) -> None:
        """Send the answer to the last request.

        Raises
        ------
        NotPlainError
            It cannot be sent; nothing has been.
        """
        self.send(frame(self.number, value))

    def send(self, buffers: Sequence[Any]) -> None:
        """Write the buffers; a process that a student forked off must not, and ends."""
        if getpid() != self._pid:
            _exit(0)
        left = [memoryview(buffer) for buffer in buffers]
        while left:
            count = writev(self._fd, left[:_BUFFERS])
            while left and count >= len(left[0]):
                count -= len(left.pop(0))
            if count:
                left[0] = left[0][count:]

    def _fill(self, views: list[memoryview]) -> None:
        for view in views:
            while len(view):
                count = readv(self._fd, [view[:_AT_ONCE]])
                if count == 0:
                    _exit(0)
                view = view[count:]
