"""What a student printed: the first megabyte of it."""

import os

_AT_ONCE = 2**16


class Output:
    """Keeps the first `limit` bytes and forgets the rest.

    Parameters
    ----------
    limit : int
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._cut = False

    def add(self, data: bytes | bytearray) -> None:
        """Take more output."""
        room = self._limit - len(self._data)
        self._data += data[:room]
        self._cut = self._cut or len(data) > room

    def add_all(self, other: "Output") -> None:
        """Take what another one kept."""
        self.add(other._data)
        self._cut = self._cut or other._cut

    def text(self) -> str:
        """Return what was kept; it is the student's, and must be escaped when shown."""
        text = self._data.decode(errors="replace")
        return text + f"\n… cut at {_in_words(self._limit)}" if self._cut else text


def _in_words(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 2**20 else f"{size} bytes"


class Drain:
    """The reading end of one worker's output.

    Parameters
    ----------
    fd : int
        A pipe that does not block.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.is_open = True

    def once(self, output: Output) -> int:
        """Read what is there, at most 64 KiB; return how much it was."""
        if not self.is_open:
            return 0
        try:
            data = os.read(self.fd, _AT_ONCE)
        except BlockingIOError:
            return 0
        self.is_open = bool(data)
        output.add(data)
        return len(data)

    def rest(self, output: Output) -> None:
        """Read what has been written before now: a full pipe, twice; others may go on writing."""
        left = 2 * _AT_ONCE
        while left > 0:
            count = self.once(output)
            if not count:
                return
            left -= count

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.fd)
        self.is_open = False
