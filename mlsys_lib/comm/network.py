"""The α–β model of a network: a message of n bytes takes α + n β seconds (Hockney, 1994).

Each rank has one port that sends and receives at the same time. Bytes of messages that are in
flight together queue at the port; their latencies overlap. A part of the latency, the overhead,
may be charged to the port as well (the o of LogGP: Alexandrov et al., 1995): then a server that
hears from many at once pays it for each. What the model leaves out: routing, congestion inside
the network, and the time to add numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlsys_lib.core.validate import non_negative


@dataclass(frozen=True)
class Link:
    """One direction between two ranks.

    Attributes
    ----------
    latency_s : float
        α, what a message costs however small it is.
    seconds_per_byte : float
        β, the inverse of the bandwidth.
    overhead_s : float
        The part of α during which the port is busy.
    """

    latency_s: float
    seconds_per_byte: float
    overhead_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("latency_s", "seconds_per_byte", "overhead_s"):
            non_negative(name, getattr(self, name))
        if self.overhead_s > self.latency_s:
            raise ValueError(
                f"overhead_s must be <= latency_s ({self.latency_s}), got {self.overhead_s}"
            )


@dataclass(frozen=True)
class Network:
    """A link for every pair of ranks; by default 10 Gb/s and 50 µs.

    Attributes
    ----------
    latency_s, seconds_per_byte, overhead_s : float
        α, β and the overhead of every link that `links` does not name.
    links : mapping of (src, dst) to Link
        Links that differ: a slow cable, another rack.

    Examples
    --------
    >>> Network().transfer_s(1_250_000)
    0.00105
    """

    latency_s: float = 50e-6
    seconds_per_byte: float = 0.8e-9
    overhead_s: float = 0.0
    links: Mapping[tuple[int, int], Link] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Link(self.latency_s, self.seconds_per_byte, self.overhead_s)  # checks them

    def link(self, src: int, dst: int) -> "Link | Network":
        """Return what describes the link from `src` to `dst`."""
        return self.links.get((src, dst), self)

    def transfer_s(self, size_bytes: int) -> float:
        """Return the seconds that one message takes on an ordinary link."""
        return self.latency_s + size_bytes * self.seconds_per_byte


ROUNDS = Network(latency_s=1.0, seconds_per_byte=0.0)
"""A network on which every message takes one second: its clock counts rounds."""
