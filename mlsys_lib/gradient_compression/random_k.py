"""Random-k: send as many entries as may be, drawn by a seed that all ranks share.

Stich, Cordonnier & Jaggi, "Sparsified SGD with memory", NeurIPS 2018, arXiv:1809.07599, have the
contraction: the entries as they are, E‖C(x) - x‖² = (1 - kept/k) ‖x‖². Scaled by k/kept the same
entries are unbiased, at a variance of (k/kept - 1) ‖x‖² (Wangni et al., "Gradient sparsification
for communication-efficient distributed optimization", NeurIPS 2018, arXiv:1710.09854, whose
probabilities may differ by entry).

As all ranks draw the same indices, only a seed and the values travel, and messages can be added on
the way: an all-reduce of `num_kept` numbers. For that each rank calls `encode` with an rng in the
same state.
"""

import numpy as np

from mlsys_lib.core.validate import integer, positive_int
from mlsys_lib.gradient_compression.compressor import Compressor, as_gradient
from mlsys_lib.gradient_compression.wire import (
    Kind,
    MessageError,
    finish,
    open_message,
    pack_float32,
    pack_uint32,
    seal,
    take_float32,
    take_uint32,
)

SEEDS = 2**32


class RandomK(Compressor):
    """Keep `num_kept` entries, each set as likely as any other.

    Parameters
    ----------
    num_kept : int
        At least 1, and at most k (which only a gradient tells).
    unbiased : bool
        Whether the receiver multiplies by k/kept. With a memory it must not.

    Notes
    -----
    A message has 9 + 4 kept bytes: header, seed, values as float32. "Unbiased" is meant for float32
    gradients; a float64 is rounded first. Both sides need the same version of numpy, whose draws
    they repeat.

    Examples
    --------
    >>> x, rng = np.arange(1.0, 6.0), np.random.default_rng(0)
    >>> RandomK(2, unbiased=True).compress(x, rng)
    array([ 0. ,  0. ,  7.5, 10. ,  0. ])
    """

    name = "random-k"
    aggregation = "all_reduce"

    def __init__(self, num_kept: int, *, unbiased: bool) -> None:
        self.num_kept = positive_int("num_kept", num_kept)
        self._unbiased = bool(unbiased)

    @property
    def is_unbiased(self) -> bool:
        """Whether the entries are scaled."""
        return self._unbiased

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`."""
        values = as_gradient(x)
        integer("num_kept", self.num_kept, 1, len(values))
        seed = int(rng.integers(SEEDS))
        picked = values[self.indices(len(values), seed)]
        return seal(Kind.RANDOM_K, len(values), pack_uint32(seed), pack_float32(picked))

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        num_elements, seed, values = self.open(message)
        return self.spread(values, num_elements, seed)

    def open(self, message: np.ndarray) -> tuple[int, int, np.ndarray]:
        """Return k, the seed, and the values that it drew, not scaled yet, of shape (num_kept,)."""
        num_elements, body = open_message(message, Kind.RANDOM_K)
        if num_elements < self.num_kept:
            raise MessageError(f"message must have >= {self.num_kept} numbers, says {num_elements}")
        (seed,), body = take_uint32(body, 1)
        values, rest = take_float32(body, self.num_kept)
        finish(rest)
        return num_elements, seed, values

    def error_bound(self, k: int) -> float:
        """Return k/kept - 1 if unbiased, else Θ = 1 - kept/k, in the mean over the draws.

        Both allow for rounding to float32.
        """
        kept = integer("num_kept", self.num_kept, 1, k)
        return k / kept * (1 + 2.0**-22) - 1 if self.is_unbiased else 1 - kept / k + 2.0**-48

    def indices(self, num_elements: int, seed: int) -> np.ndarray:
        """Return the entries that a seed draws, of shape (num_kept,), in rising order."""
        rng = np.random.default_rng(seed)
        return np.sort(rng.choice(num_elements, self.num_kept, replace=False, shuffle=False))

    def spread(self, values: np.ndarray, num_elements: int, seed: int) -> np.ndarray:
        """Return the vector of k numbers that has these values, scaled, where the seed says."""
        x = np.zeros(num_elements)
        factor = num_elements / self.num_kept if self.is_unbiased else 1.0
        x[self.indices(num_elements, seed)] = factor * values
        return x
