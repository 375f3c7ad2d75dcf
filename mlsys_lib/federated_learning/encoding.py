"""Numbers as integers modulo 2^16, 2^32 or 2^64, so that sums are exact and masks can hide them.

A float x becomes the integer round(x · 2^f), negative ones from the top of the ring. Sums wrap
around like the integers of the machine, and come back right if the true sum fits. The uniform mask
of a ring hides a value altogether; no distribution of floats does.

Bonawitz, Salehi, Konečný, McMahan & Gruteser, "Federated learning with autotuned
communication-efficient secure aggregation", Asilomar 2019, arXiv:1912.00131, fit the range of the
values to the data; ours is given by the caller.

>>> ring = FixedPoint(bits=32, fractional_bits=16, num_summands=10)
>>> ring.decode(ring.encode(np.array([1.5, -2.25])) + ring.encode(np.array([0.25, 1.0])))
array([ 1.75, -1.25])
"""

import math
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer, one_of

_BITS = (16, 32, 64)


@dataclass(frozen=True)
class FixedPoint:
    """How floats are written as integers of a ring.

    Parameters
    ----------
    bits : {16, 32, 64}
        The ring is the integers modulo 2^bits.
    fractional_bits : int
        f: values are multiples of 2^-f, so each is off by 2^-(f + 1) at most.
    num_summands : int
        How many encoded vectors will be added at most; the range of each is the smaller for it.
    """

    bits: int = 64
    fractional_bits: int = 32
    num_summands: int = 1

    def __post_init__(self) -> None:
        one_of("bits", str(self.bits), [str(bits) for bits in _BITS])
        integer("fractional_bits", self.fractional_bits, 0, self.bits - 1)
        integer("num_summands", self.num_summands, 1, 2 ** (self.bits - 1) - 1)

    @property
    def dtype(self) -> np.dtype:
        """The unsigned integer of that many bits, little-endian."""
        return np.dtype(f"<u{self.bits // 8}")

    @property
    def largest(self) -> float:
        """The largest absolute value that may be encoded."""
        limit: int = (2 ** (self.bits - 1) - 1) // self.num_summands
        past_float64 = max(0, limit.bit_length() - 53)  # cut off: rounded up, the sum would wrap
        return math.ldexp(limit >> past_float64, past_float64 - self.fractional_bits)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the integers of finite values with abs(values) <= `largest`; same shape."""
        values = np.asarray(values, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("values must be finite")
        most = float(np.abs(values).max(initial=0.0))
        if most > self.largest:
            raise ValueError(
                f"values must be in ±{self.largest} for sums of {self.num_summands} not to wrap, "
                f"got {most}"
            )
        return np.rint(values * 2.0**self.fractional_bits).astype(np.int64).astype(self.dtype)

    def decode(self, integers: np.ndarray) -> np.ndarray:
        """Return the floats of a sum of encoded vectors, float64 and rounded to its 53 bits."""
        signed = np.asarray(integers, dtype=self.dtype).view(f"<i{self.bits // 8}")
        return np.asarray(signed.astype(np.float64) / 2.0**self.fractional_bits)
