"""Ranks that are processes: the transport on `torch.distributed`, gloo on CPUs.

Before each array its dtype and shape travel as 128 bytes of text, so that a mismatch is an error
that says so; gloo itself would end the process. The ledger counts what the algorithm sends, not
these headers. ``checked=False`` leaves them out.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from zlib import crc32

import numpy as np
import torch
import torch.distributed as dist

from mlsys_lib.comm.arrays import describe
from mlsys_lib.comm.clock import COMPUTE, POST, SEND, WAIT, Message
from mlsys_lib.comm.communicator import Request
from mlsys_lib.comm.errors import LostRankError, MessageError

HEADER_BYTES = 128


class _Channel:
    """One direction to or from a peer under one tag."""

    def __init__(self, src: int, dst: int, tag: int) -> None:
        self.src, self.dst, self.tag = src, dst, tag
        self.sent = self.posted = 0  # messages so far; both count for a rank's own channel
        self.loopback: dict[int, np.ndarray] = {}  # a rank's messages to itself, by number
        self.receiver: ThreadPoolExecutor | None = None  # takes early receives, in their order

    def next_sent(self, size_bytes: int) -> Message:
        self.sent += 1
        return (self.src, self.dst, self.tag, self.sent - 1, size_bytes)

    def next_posted(self, size_bytes: int) -> Message:
        self.posted += 1
        return (self.src, self.dst, self.tag, self.posted - 1, size_bytes)


class TorchTransport:
    """One process's end.

    Parameters
    ----------
    timeout_s : float
        A wait longer than this is an error that names the peer.
    checked : bool
        Send dtype and shape ahead of each array.
    """

    def __init__(self, timeout_s: float = 60.0, checked: bool = True) -> None:
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self.log: list[tuple[Any, ...]] = []
        self._timeout = timedelta(seconds=timeout_s)
        self._checked = checked
        self._start_s = time.perf_counter()
        self._channels: dict[tuple[int, int, int], _Channel] = {}

    def _channel(self, src: int, dst: int, tag: int) -> _Channel:
        key = (src, dst, tag)
        return self._channels.setdefault(key, _Channel(src, dst, tag))

    def out_channel(self, dst: int, tag: int) -> _Channel:
        """Return the channel to `dst`."""
        return self._channel(self.rank, dst, tag)

    def in_channel(self, src: int, tag: int) -> _Channel:
        """Return the channel from `src`."""
        return self._channel(src, self.rank, tag)

    def post_send(self, array: np.ndarray, channel: _Channel, early: bool) -> Request:
        """Begin to send, header first."""
        message = channel.next_sent(array.nbytes)
        self.log.append((SEND, message))
        works = []
        if channel.dst == self.rank:
            channel.loopback[message[3]] = array.copy()
        else:
            data = torch.from_numpy(_as_bytes(array))
            if self._checked:
                works.append(self._isend(_header(array), channel, is_header=True))
            works.append(self._isend(data, channel, is_header=False))
        return Request(self, message, array, True, (channel, works))

    def post_recv(self, array: np.ndarray, channel: _Channel, early: bool) -> Request:
        """Offer a buffer; the array itself is received in `wait`, after its header."""
        message = channel.next_posted(array.nbytes)
        if early:
            self.log.append((POST, message))
        header = torch.empty(HEADER_BYTES, dtype=torch.uint8)
        work = None
        if channel.src != self.rank:
            if self._checked:
                work = self._irecv(header, channel, is_header=True)
                if early and channel.receiver is None:
                    channel.receiver = ThreadPoolExecutor(1)
                if channel.receiver is not None:  # the sender waits until somebody takes the array
                    work = channel.receiver.submit(self._receive, array, header, work, channel)
            else:
                staged, work = self._irecv_payload(array, channel)
                return Request(self, message, array, False, (channel, staged, work))
        return Request(self, message, array, False, (channel, header, work))

    def wait(self, requests: tuple[Request, ...]) -> None:
        """Finish receives, then sends, in the order given."""
        receives = [r for r in requests if not r.is_send]
        sends = [r for r in requests if r.is_send]
        for request in receives:
            self._finish_recv(request)
        for request in sends:
            channel, works = request.work
            self._check_loopback(request, channel)
            for work in works:
                self._finish(work, channel)
        received = tuple(r.message for r in receives)
        self.log.append((WAIT, self.rank, tuple(r.message for r in sends), received))

    def send_recv(
        self, array: np.ndarray, out: np.ndarray, out_channel: _Channel, in_channel: _Channel
    ) -> None:
        """Send and receive at the same time."""
        incoming = self.post_recv(out, in_channel, early=False)
        self.wait((incoming, self.post_send(array, out_channel, early=False)))

    def recv_any(self, array: np.ndarray, sources: Sequence[int], tag: int) -> int:
        """Take the first header that comes under `tag`, then the array from its sender."""
        if not self._checked:
            raise ValueError("checked must be True for recv_any: the header tells the sender")
        header = torch.empty(HEADER_BYTES, dtype=torch.uint8)
        try:
            src = int(dist.recv(header, src=None, tag=2 * tag))
        except RuntimeError as error:
            raise LostRankError(
                f"rank {self.rank} waited to receive from any of {list(sources)}: {error}"
            ) from error
        channel = self.in_channel(src, tag)
        if src not in sources:
            raise MessageError(
                f"sources must hold every rank that sends under tag {tag}: rank {src} did, rank "
                f"{self.rank} receives from {list(sources)}"
            )
        message = channel.next_posted(array.nbytes)
        self._receive_payload(array, header, channel)
        self.log.append((WAIT, self.rank, (), (message,)))
        return src

    def compute(self, seconds: float, label: str) -> None:
        """Note the work in the log, for the simulated clock."""
        self.log.append((COMPUTE, self.rank, seconds, label))

    def now_s(self) -> float:
        """Return seconds since the transport was made."""
        return time.perf_counter() - self._start_s

    # -- torch -------------------------------------------------------------------------------------
    def _isend(self, data: torch.Tensor, channel: _Channel, is_header: bool) -> Any:
        with self._naming(channel):
            return dist.isend(data, channel.dst, tag=2 * channel.tag + (not is_header))

    def _irecv(self, data: torch.Tensor, channel: _Channel, is_header: bool) -> Any:
        with self._naming(channel):
            return dist.irecv(data, channel.src, tag=2 * channel.tag + (not is_header))

    def _irecv_payload(self, out: np.ndarray, channel: _Channel) -> tuple[np.ndarray, Any]:
        """Begin to receive into `out`, or into a copy where its memory has gaps."""
        staged = out if out.flags.c_contiguous else np.empty_like(out, order="C")
        work = self._irecv(torch.from_numpy(_as_bytes(staged)), channel, is_header=False)
        return staged, work

    def _finish_recv(self, request: Request) -> None:
        channel, header, work = request.work
        if channel.src == self.rank:
            data = channel.loopback.pop(request.message[3], None)
            if data is None:
                raise ValueError(
                    f"src must be another rank: rank {self.rank} receives from itself before it "
                    "has sent"
                )
            _check_fits(_header_text(data), request.array, channel)
            request.array[...] = data
            return
        if isinstance(work, Future):
            work.result()
        elif self._checked:
            self._receive(request.array, header, work, channel)
        else:
            self._finish(work, channel)
        if self._checked:
            return
        if header is not request.array:
            request.array[...] = header

    def _receive(self, out: np.ndarray, header: torch.Tensor, work: Any, channel: _Channel) -> None:
        self._finish(work, channel)
        self._receive_payload(out, header, channel)

    def _receive_payload(self, out: np.ndarray, header: torch.Tensor, channel: _Channel) -> None:
        sent = bytes(header.numpy()).rstrip(b" ").decode()
        _check_fits(sent, out, channel)
        staged, work = self._irecv_payload(out, channel)
        self._finish(work, channel)
        if staged is not out:
            out[...] = staged

    def _finish(self, work: Any, channel: _Channel) -> None:
        with self._naming(channel):
            work.wait(self._timeout)

    def _check_loopback(self, request: Request, channel: _Channel) -> None:
        if channel.dst == self.rank and channel.posted <= request.message[3]:
            raise ValueError(
                f"dst must be another rank: rank {self.rank} sends to itself and has no receive "
                "posted; use send_recv, or irecv before"
            )

    @contextmanager
    def _naming(self, channel: _Channel) -> Iterator[None]:
        """Turn torch's error into one that names the ranks."""
        try:
            yield
        except RuntimeError as error:
            verb, peer = ("receive from", channel.src)
            if channel.src == self.rank:
                verb, peer = ("send to", channel.dst)
            cause = str(error).splitlines()[0]
            raise LostRankError(
                f"rank {self.rank} waited to {verb} rank {peer} (tag {channel.tag}): {cause}"
            ) from error


def _as_bytes(array: np.ndarray) -> np.ndarray:
    """Return the array's memory as bytes (a copy where it has gaps, or cannot be written)."""
    contiguous = np.ascontiguousarray(array)
    if not contiguous.flags.writeable:
        contiguous = contiguous.copy()  # torch warns of arrays that it might write to
    return contiguous.reshape(-1).view(np.uint8)


def _header(array: np.ndarray) -> torch.Tensor:
    text = _header_text(array).encode().ljust(HEADER_BYTES)
    return torch.from_numpy(np.frombuffer(text, np.uint8).copy())


def _header_text(array: np.ndarray) -> str:
    """Return dtype and shape; where they are too long (many fields), a start and a checksum."""
    text = describe(array)
    if len(text.encode()) <= HEADER_BYTES and text.isascii():
        return text
    return f"{ascii(text)[:100]} … {crc32(text.encode())}"


def _check_fits(sent: str, out: np.ndarray, channel: _Channel) -> None:
    if sent != _header_text(out):
        raise MessageError(
            f"rank {channel.src} sent {sent}, rank {channel.dst} receives into {describe(out)} "
            f"(tag {channel.tag}): dtype and shape must agree"
        )
