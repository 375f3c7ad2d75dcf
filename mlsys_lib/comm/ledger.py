"""The ledger: every message of a run, and what can be counted from it.

While a run goes on, only a log is kept. It is a list of plain tuples in an order in which they
could have happened (each send before the wait that needs it):

``(SEND, message)``, ``(POST, message)`` (a receive offered early, by `irecv`),
``(WAIT, rank, sent_messages, received_messages)``, ``(COMPUTE, rank, seconds, label)``,

where ``message = (src, dst, tag, number, size_bytes)`` with `number` counting the messages of one
(src, dst, tag). Bytes and messages are sums over the log. Rounds and seconds come from replaying
it on a network (`mlsys_lib.comm.clock`), so that one run can be timed on any network.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mlsys_lib.comm.clock import COMPUTE, POST, SEND, WAIT, Clock, Message, Timeline
from mlsys_lib.comm.network import ROUNDS, Network

__all__ = ["COMPUTE", "POST", "SEND", "WAIT", "Ledger", "merge_logs"]


@dataclass(frozen=True)
class Ledger:
    """What a run over `world_size` ranks sent, counted.

    Attributes
    ----------
    world_size : int
    log : tuple of tuples
        See the module's first lines.
    network : Network
        The network that `timeline` and `time_s` use unless told another.
    slow : mapping of rank to float
        Stragglers: factors on the seconds of `compute`.
    """

    world_size: int
    log: tuple[tuple[Any, ...], ...] = field(repr=False)
    network: Network = field(default_factory=Network)
    slow: dict[int, float] = field(default_factory=dict)

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """Every message sent, in the order of the log."""
        return tuple(entry[1] for entry in self.log if entry[0] == SEND)

    def _per_rank(self, end: int, sizes: bool) -> tuple[int, ...]:
        totals = [0] * self.world_size
        for message in self.messages:
            totals[message[end]] += message[4] if sizes else 1
        return tuple(totals)

    @cached_property
    def sent_bytes(self) -> tuple[int, ...]:
        """Bytes sent, per rank. A message from a rank to itself counts too."""
        return self._per_rank(0, sizes=True)

    @cached_property
    def received_bytes(self) -> tuple[int, ...]:
        """Bytes sent to each rank."""
        return self._per_rank(1, sizes=True)

    @cached_property
    def sent_messages(self) -> tuple[int, ...]:
        """Number of messages sent, per rank."""
        return self._per_rank(0, sizes=False)

    @property
    def total_bytes(self) -> int:
        """Bytes sent by all ranks together."""
        return sum(self.sent_bytes)

    @cached_property
    def rounds(self) -> int:
        """Communication steps on the longest path: messages waited for together are one step."""
        silent = tuple(entry for entry in self.log if entry[0] != COMPUTE)
        return round(max(Clock(self.world_size, ROUNDS).replay(silent).time_s))

    def timeline(self, network: Network | None = None) -> Timeline:
        """Return who sent what to whom when, on `network` (by default the run's own)."""
        return Clock(self.world_size, network or self.network, self.slow).replay(self.log)

    def time_s(self, network: Network | None = None) -> float:
        """Return the simulated seconds until the last rank is done."""
        return max(self.timeline(network).time_s)


def merge_logs(logs: Sequence[Sequence[tuple[Any, ...]]]) -> tuple[tuple[Any, ...], ...]:
    """Merge the logs of ranks that ran apart into one that could have happened.

    A wait stays back until every message that it received has been sent.
    """
    todo = [deque(log) for log in logs]
    merged: list[tuple[Any, ...]] = []
    sent: set[Message] = set()
    progress = True
    while progress:
        progress = False
        for log in todo:
            while log and (log[0][0] != WAIT or sent.issuperset(log[0][3])):
                entry = log.popleft()
                if entry[0] == SEND:
                    sent.add(entry[1])
                merged.append(entry)
                progress = True
    if any(todo):
        raise ValueError("logs do not fit together: a message was received that nobody sent")
    return tuple(merged)
