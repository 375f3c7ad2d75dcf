"""A simulated rank's transport: every message goes through the grader, which simulates the network.

The ledger, the clock and the faults are therefore the grader's. Only the check that an array does
not change while it is being sent is made here, where the array is.
"""

from collections.abc import Sequence
from typing import Any

from numpy import ndarray

from mlsys_lib.comm.communicator import Request
from mlsys_lib.comm.errors import CommunicationError, MessageError
from mlsys_lib.grading.plain import NotPlainError
from mlsys_lib.grading.sandbox.inside.channel import Channel

_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error
    for error in (MessageError, CommunicationError, ValueError, TypeError, MemoryError)
}
_Peer = tuple[int, int]  # rank, tag


class RemoteTransport:
    """One rank's end; see `mlsys_lib.comm.communicator.Transport`.

    Parameters
    ----------
    channel : Channel
        To the grader.
    rank, world_size : int
    """

    def __init__(self, channel: Channel, rank: int, world_size: int) -> None:
        self._channel = channel
        self.rank = rank
        self.world_size = world_size

    def _ask(self, *operation: Any) -> Any:
        try:
            self._channel.answer(("operation", operation))
        except NotPlainError as error:
            raise TypeError(f"only arrays of numbers can be sent, got {error}") from None
        (kind, *details), _ = self._channel.receive()
        if kind == "raise":
            raise _ERRORS[details[0]](details[1])
        return details[0]

    def out_channel(self, dst: int, tag: int) -> _Peer:
        """Return the channel to `dst`."""
        return (dst, tag)

    def in_channel(self, src: int, tag: int) -> _Peer:
        """Return the channel from `src`."""
        return (src, tag)

    def post_send(self, array: ndarray, channel: _Peer, early: bool) -> Request:
        """Send; an early send returns before it is taken."""
        handle = self._ask("send", *channel, array, early)
        copy = array.tobytes() if early else None
        return Request(self, (), array, True, (handle, copy, channel[0]))  # type: ignore[arg-type]

    def post_recv(self, array: ndarray, channel: _Peer, early: bool) -> Request:
        """Receive; an early receive fills `array` when it is waited for."""
        answer = self._ask("recv", *channel, *_shape(array), early)
        if not early:
            array[...] = answer
            answer = None
        return Request(self, (), array, False, (answer, None, channel[0]))  # type: ignore[arg-type]

    def wait(self, requests: tuple[Request, ...]) -> None:
        """Return when all requests are done."""
        early = [request for request in requests if request.work[0] is not None]
        if not early:
            return
        received = self._ask("wait", tuple(request.work[0] for request in early))
        for request, data in zip(early, received, strict=True):
            _, copy, peer = request.work
            if not request.is_send:
                request.array[...] = data
            elif request.array.tobytes() != copy:
                raise ValueError(
                    f"x must not change until wait: rank {self.rank} changed what it was sending "
                    f"to rank {peer}"
                )

    def send_recv(
        self, array: ndarray, out: ndarray, out_channel: _Peer, in_channel: _Peer
    ) -> None:
        """Send `array` and receive into `out` at the same time."""
        out[...] = self._ask("send_recv", *out_channel, array, *in_channel, *_shape(out))

    def recv_any(self, array: ndarray, sources: Sequence[int], tag: int) -> int:
        """Receive the next message from any of `sources` and return its sender."""
        src, array[...] = self._ask("recv_any", tuple(sources), tag, *_shape(array))
        return int(src)

    def compute(self, seconds: float, label: str) -> None:
        """Account for work that this rank does."""
        self._ask("compute", seconds, str(label))

    def now_s(self) -> float:
        """Return this rank's clock."""
        return float(self._ask("now_s"))


def _shape(array: ndarray) -> tuple[str, tuple[int, ...]]:
    return array.dtype.str, array.shape
