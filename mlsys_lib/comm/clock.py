"""Replay a log of messages on a network: who is busy when, by the α–β model.

The rules, per rank:

* a send starts when it is posted and the outgoing port is free; the port is busy for o + n β;
  the sender may go on α - o later;
* a receive starts when it is posted, the message has started, and the incoming port is free;
  the port is busy for o + n β; the data are there α - o later;
* messages waited for together share one wait: their latencies overlap, their bytes queue.

A blocking message of n bytes thus takes α + n β, and a server that hears from m workers at once
α + (m - 1) o + m n β. A sender does not wait for a late receiver.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlsys_lib.comm.network import Network

SEND, POST, WAIT, COMPUTE = range(4)
Message = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Transfer:
    """One message on the wire: it starts to arrive at `start_s` and is there at `arrival_s`."""

    src: int
    dst: int
    tag: int
    size_bytes: int
    start_s: float
    arrival_s: float


@dataclass(frozen=True)
class Span:
    """A rank computing, from `start_s` to `end_s`."""

    rank: int
    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """Who sent what to whom when.

    Attributes
    ----------
    time_s : tuple of float
        When each rank was done.
    transfers : tuple of Transfer
        Received messages, in the order of the log.
    spans : tuple of Span
        Computation.
    """

    time_s: tuple[float, ...]
    transfers: tuple[Transfer, ...]
    spans: tuple[Span, ...]


class Clock:
    """The state of a replay; `advance` takes the log as it grows.

    Parameters
    ----------
    world_size : int
    network : Network
    slow : mapping of rank to float
        Factors on the seconds of `COMPUTE` entries.
    """

    def __init__(
        self, world_size: int, network: Network, slow: Mapping[int, float] | None = None
    ) -> None:
        self.time_s = [0.0] * world_size
        self.transfers: list[Transfer] = []
        self.spans: list[Span] = []
        self._network = network
        self._slow = slow or {}
        self._out_free = [0.0] * world_size
        self._in_free = [0.0] * world_size
        self._sends: dict[Message, tuple[float, float]] = {}  # started, sender may go on
        self._posted: dict[Message, float] = {}

    def start_s(self, message: Message) -> float:
        """Return when a message that is in the log started."""
        return self._sends[message][0]

    def advance(self, entries: Iterable[tuple[Any, ...]]) -> None:
        """Take further entries of the log."""
        for entry in entries:
            kind = entry[0]
            if kind == SEND:
                self._send(entry[1])
            elif kind == WAIT:
                self._wait(entry[1], entry[2], entry[3])
            elif kind == POST:
                self._posted[entry[1]] = self.time_s[entry[1][1]]
            else:
                self._compute(entry[1], entry[2], entry[3])

    def replay(self, log: Iterable[tuple[Any, ...]]) -> Timeline:
        """Take a whole log and return its timeline."""
        self.advance(log)
        return Timeline(tuple(self.time_s), tuple(self.transfers), tuple(self.spans))

    def _busy(self, message: Message) -> tuple[float, float]:
        """Return how long a message keeps the port, and how long it is under way after that."""
        network = self._network
        link = network.links.get(message[:2], network) if network.links else network
        port_s = link.overhead_s + message[4] * link.seconds_per_byte
        return port_s, link.latency_s - link.overhead_s

    def _send(self, message: Message) -> None:
        src = message[0]
        port_s, latency_s = self._busy(message)
        start_s = max(self.time_s[src], self._out_free[src])
        self._out_free[src] = start_s + port_s
        self._sends[message] = (start_s, start_s + port_s + latency_s)

    def _wait(self, rank: int, sent: tuple[Message, ...], received: tuple[Message, ...]) -> None:
        now = done = self.time_s[rank]
        for message in sent:
            done = max(done, self._sends[message][1])
        if len(received) > 1:  # the port takes the earliest first
            received = tuple(sorted(received, key=self.start_s))
        for message in received:
            port_s, latency_s = self._busy(message)
            posted_s = self._posted.pop(message, now)
            start_s = max(self.start_s(message), posted_s, self._in_free[rank])
            self._in_free[rank] = start_s + port_s
            arrival_s = start_s + port_s + latency_s
            self.transfers.append(
                Transfer(message[0], rank, message[2], message[4], start_s, arrival_s)
            )
            done = max(done, arrival_s)
        self.time_s[rank] = done

    def _compute(self, rank: int, seconds: float, label: str) -> None:
        start_s = self.time_s[rank]
        self.time_s[rank] = start_s + seconds * self._slow.get(rank, 1.0)
        self.spans.append(Span(rank, start_s, self.time_s[rank], label))
