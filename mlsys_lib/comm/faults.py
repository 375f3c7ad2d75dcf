"""What goes wrong, as an input of a simulated run, so that it goes wrong the same way each time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from mlsys_lib.core.validate import integer, positive

MessageName = tuple[int, int, int]
"""(src, dst, number): the number counts from 0 over all messages from `src` to `dst`."""


@dataclass(frozen=True)
class Faults:
    """Faults of a simulated run, and what becomes of each.

    Attributes
    ----------
    dead : mapping of rank to int
        The rank posts that many messages, and stops at its next send or receive. Ranks that never
        need it finish (its own result is None); a rank that waits for it ends the run with
        `LostRankError`.
    slow : mapping of rank to float
        The rank's `compute` takes that many times longer. Results do not change, times do.
    dropped : collection of (src, dst, number)
        The message never arrives. Its receiver waits, and the run ends with `DeadlockError`.
    corrupted : collection of (src, dst, number)
        One bit of the message flips. With `checksums` its receiver raises `MessageError`;
        without, the wrong number is delivered, and travels on.
    checksums : bool
        Whether receivers notice corrupted messages.
    """

    dead: Mapping[int, int] = field(default_factory=dict)
    slow: Mapping[int, float] = field(default_factory=dict)
    dropped: Collection[MessageName] = ()
    corrupted: Collection[MessageName] = ()
    checksums: bool = True

    def check(self, world_size: int) -> None:
        """Raise if a fault names a rank that does not exist."""
        for name, messages in (("dropped", self.dropped), ("corrupted", self.corrupted)):
            for src, dst, number in messages:
                integer(f"{name} src", src, 0, world_size - 1)
                integer(f"{name} dst", dst, 0, world_size - 1)
                integer(f"{name} number", number, 0)
        for rank, num_messages in self.dead.items():
            integer("dead rank", rank, 0, world_size - 1)
            integer("dead messages", num_messages, 0)
        for rank, factor in self.slow.items():
            integer("slow rank", rank, 0, world_size - 1)
            positive("slow factor", factor)


def flip_one_bit(array: np.ndarray) -> None:
    """Flip bit 6 of the last byte of the first element (an exponent bit of a float), in place."""
    if array.size:
        first = array.reshape(-1)[:1].view(np.uint8)
        first[-1] ^= 0b0100_0000
