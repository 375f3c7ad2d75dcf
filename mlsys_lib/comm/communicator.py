"""A rank's endpoint: the few words in which every distributed algorithm of this book is written.

The words are those of MPI and `torch.distributed`. The receiver supplies the buffer: a network
cannot deliver an array whose size the receiver does not know. Two transports carry the bytes,
simulated ranks (`mlsys_lib.comm.simulator`) and processes (`mlsys_lib.comm.torch_backend`);
an algorithm cannot tell them apart.
"""

from collections.abc import Sequence
from typing import Any, Protocol
from zlib import crc32

import numpy as np

from mlsys_lib.comm.arrays import as_array, as_writable
from mlsys_lib.comm.clock import Message
from mlsys_lib.core.validate import integer, non_negative

TAGS, GROUPS = 2**10, 2**20
"""Tags are 0 … TAGS - 1, so that a group's number and a tag fit into one network tag."""


class Request:
    """A message under way; `wait` returns when its array may be used again."""

    __slots__ = ("_transport", "array", "is_send", "message", "work")

    def __init__(
        self, transport: "Transport", message: Message, array: np.ndarray, is_send: bool, work: Any
    ) -> None:
        self._transport = transport
        self.message = message
        self.array = array
        self.is_send = is_send
        self.work = work  # what the transport needs to finish it

    def wait(self) -> None:
        """Return when the message has been received (a send: taken by its receiver)."""
        self._transport.wait((self,))


def wait_all(requests: Sequence[Request]) -> None:
    """Wait for several messages together: one round, their latencies overlap."""
    if requests:
        requests[0]._transport.wait(tuple(requests))


class Transport(Protocol):
    """What carries arrays between world ranks; its arguments have been checked.

    A channel is whatever the transport needs to know of one (peer, tag); it is made once.
    """

    rank: int
    world_size: int

    def out_channel(self, dst: int, tag: int) -> Any:
        """Return the channel to `dst` under `tag`."""

    def in_channel(self, src: int, tag: int) -> Any:
        """Return the channel from `src` under `tag`."""

    def post_send(self, array: np.ndarray, channel: Any, early: bool) -> Request:
        """Begin to send `array`; `early`: the caller goes on before it waits."""

    def post_recv(self, array: np.ndarray, channel: Any, early: bool) -> Request:
        """Offer `array` to the channel's next message."""

    def wait(self, requests: tuple[Request, ...]) -> None:
        """Return when all requests are done."""

    def send_recv(
        self, array: np.ndarray, out: np.ndarray, out_channel: Any, in_channel: Any
    ) -> None:
        """Send `array` and receive into `out` at the same time."""

    def recv_any(self, array: np.ndarray, sources: Sequence[int], tag: int) -> int:
        """Receive the next message from any of `sources` and return its sender."""

    def compute(self, seconds: float, label: str) -> None:
        """Account for work that this rank does."""

    def now_s(self) -> float:
        """Return this rank's clock."""


class Communicator:
    """One rank of a group of `world_size`.

    Attributes
    ----------
    rank : int
        0 … world_size - 1.
    world_size : int
        Number of ranks in this group.
    """

    def __init__(
        self,
        transport: Transport,
        ranks: tuple[int, ...] | None = None,
        context: int = 0,
        contexts: dict[int, Any] | None = None,
    ) -> None:
        self._transport = transport
        self._ranks = ranks if ranks is not None else tuple(range(transport.world_size))
        self._context = context  # this group's number
        self._contexts = {} if contexts is None else contexts  # of all groups of this rank
        self._routes_out: dict[tuple[int, int], Any] = {}  # (dst, tag), once checked
        self._routes_in: dict[tuple[int, int], Any] = {}
        self._groups_made: dict[tuple[int, ...], int] = {}
        self.rank: int = self._ranks.index(transport.rank)
        self.world_size: int = len(self._ranks)

    def __repr__(self) -> str:
        return f"Communicator(rank={self.rank}, world_size={self.world_size})"

    def send(self, x: np.ndarray, dst: int, tag: int = 0) -> None:
        """Send `x` to rank `dst`; returns when `dst` has a receive for it.

        Parameters
        ----------
        x : ndarray of any shape, or torch CPU tensor
            Not modified.
        dst : int
            Not this rank, unless it has offered a receive by `irecv` before.
        tag : int
            Only a receive with the same tag takes the message.
        """
        channel = self._routes_out.get((dst, tag)) or self._route_out(dst, tag)
        self._transport.post_send(as_array("x", x), channel, early=False).wait()

    def recv(self, out: np.ndarray, src: int, tag: int = 0) -> None:
        """Receive into `out` the next message from rank `src` under `tag`.

        Parameters
        ----------
        out : ndarray or torch CPU tensor
            Overwritten. Its dtype and shape must be those that were sent.
        """
        channel = self._routes_in.get((src, tag)) or self._route_in(src, tag)
        self._transport.post_recv(as_writable("out", out), channel, early=False).wait()

    def send_recv(self, x: np.ndarray, out: np.ndarray, dst: int, src: int, tag: int = 0) -> None:
        """Send `x` to `dst` and receive into `out` from `src` at the same time: one round.

        Returns when `out` is filled and `x` may be used again. The two must not overlap.
        """
        self._transport.send_recv(
            as_array("x", x),
            as_writable("out", out),
            self._routes_out.get((dst, tag)) or self._route_out(dst, tag),
            self._routes_in.get((src, tag)) or self._route_in(src, tag),
        )

    def isend(self, x: np.ndarray, dst: int, tag: int = 0) -> Request:
        """Begin to send `x`, which must not change until `wait`."""
        channel = self._routes_out.get((dst, tag)) or self._route_out(dst, tag)
        return self._transport.post_send(as_array("x", x), channel, early=True)

    def irecv(self, out: np.ndarray, src: int, tag: int = 0) -> Request:
        """Offer `out` to the next message from `src`; it is filled after `wait`."""
        channel = self._routes_in.get((src, tag)) or self._route_in(src, tag)
        return self._transport.post_recv(as_writable("out", out), channel, early=True)

    def recv_any(self, out: np.ndarray, sources: Sequence[int] | None = None, tag: int = 0) -> int:
        """Receive into `out` from whichever of `sources` is first; return that rank.

        Parameters
        ----------
        sources : sequence of int, optional
            By default every rank but this one. Simulated ranks take the message that started
            first on the clock (ties: the lowest rank); processes take what comes.
        """
        if sources is None:
            sources = [rank for rank in range(self.world_size) if rank != self.rank]
        if not sources:
            raise ValueError("sources must name at least one rank, got none")
        world = [self._peer("sources", source) for source in sources]
        src = self._transport.recv_any(as_writable("out", out), world, self._wire_tag(tag))
        return self._ranks.index(src)

    def group(self, ranks: Sequence[int]) -> "Communicator":
        """Return this rank's endpoint in the group of `ranks`, numbered in that order.

        Every member calls it, with the same ranks; no message is sent. Messages in different
        groups never mix.
        """
        members = tuple(integer("ranks", rank, 0, self.world_size - 1) for rank in ranks)
        if len(set(members)) != len(members):
            raise ValueError(f"ranks must be distinct, got {list(members)}")
        if self.rank not in members:
            raise ValueError(f"ranks must hold this rank, {self.rank}, got {list(members)}")
        made = self._groups_made[members] = self._groups_made.get(members, 0) + 1
        name = (self._context, members, made)
        context = crc32(repr(name).encode()) % (GROUPS - 1) + 1
        if self._contexts.setdefault(context, name) != name:  # one in a million
            raise ValueError(f"ranks {list(members)} must be tried again: their number is taken")
        world = tuple(self._ranks[r] for r in members)
        return Communicator(self._transport, world, context, self._contexts)

    def compute(self, seconds: float, label: str = "") -> None:
        """Account for `seconds` of work: the simulated clock advances, a process does nothing."""
        self._transport.compute(non_negative("seconds", seconds), label)

    def now_s(self) -> float:
        """Return this rank's clock: simulated seconds, or seconds since the run began."""
        return self._transport.now_s()

    def _route_out(self, dst: int, tag: int) -> Any:
        channel = self._transport.out_channel(self._peer("dst", dst), self._wire_tag(tag))
        self._routes_out[dst, tag] = channel
        return channel

    def _route_in(self, src: int, tag: int) -> Any:
        channel = self._transport.in_channel(self._peer("src", src), self._wire_tag(tag))
        self._routes_in[src, tag] = channel
        return channel

    def _peer(self, name: str, rank: int) -> int:
        return self._ranks[integer(name, rank, 0, self.world_size - 1)]

    def _wire_tag(self, tag: int) -> int:
        return self._context * TAGS + integer("tag", tag, 0, TAGS - 1)
