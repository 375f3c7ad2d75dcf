"""Top-k: send the largest entries, forget the others or remember them.

Aji & Heafield, "Sparse communication for distributed gradient descent", EMNLP 2017,
arXiv:1704.05021; Stich, Cordonnier & Jaggi, "Sparsified SGD with memory", NeurIPS 2018,
arXiv:1809.07599, prove that with memory it converges as SGD does. Dropping the rest can stall a run
for ever (`counterexamples.tug_of_war`): the compressor is a contraction, not unbiased.

Ours keeps exactly `num_kept` entries of the whole gradient, in float32. Ties go to the lower index.
"""

import numpy as np

from mlsys_lib.core.validate import integer, positive_int
from mlsys_lib.gradient_compression.compressor import Compressor, as_gradient
from mlsys_lib.gradient_compression.index_code import decode_indices, encode_indices
from mlsys_lib.gradient_compression.wire import (
    Kind,
    MessageError,
    finish,
    open_message,
    pack_float32,
    seal,
    take_float32,
)

_SAMPLE = 2**14  # magnitudes that tell about where the largest begin


class TopK(Compressor):
    """Keep the `num_kept` entries of largest magnitude.

    Parameters
    ----------
    num_kept : int
        At least 1, and at most k (which only a gradient tells).

    Notes
    -----
    A message has 10 bytes, 4 a kept entry, and the Rice code of the indices: about
    log2(k / kept) + 1.5 bits each. With 1 % kept that is 1/80 of the dense bytes.

    Examples
    --------
    >>> compressor = TopK(num_kept=2)
    >>> compressor.compress(np.array([0.5, -3.0, 1.0, 2.0]), np.random.default_rng(0))
    array([ 0., -3.,  0.,  2.])
    """

    name = "top-k"
    is_unbiased = False
    aggregation = "all_gather"

    def __init__(self, num_kept: int) -> None:
        self.num_kept = positive_int("num_kept", num_kept)

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`."""
        values = as_gradient(x)
        integer("num_kept", self.num_kept, 1, len(x))
        indices = largest(values, self.num_kept)
        return seal_sparse(Kind.TOP_K, values, indices)

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        x, count = open_sparse(message, Kind.TOP_K)
        if count != self.num_kept:
            raise MessageError(f"message must have {self.num_kept} entries, got {count}")
        return x

    def error_bound(self, k: int) -> float:
        """Return Θ = 1 - kept/k, reached where all are as large (and rounding to float32)."""
        return 1 - integer("num_kept", self.num_kept, 1, k) / k + 2.0**-48


def largest(x: np.ndarray, count: int) -> np.ndarray:
    """Return which `count` entries are largest in magnitude, in rising order.

    Parameters
    ----------
    x : ndarray of shape (k,), floating
    count : int
        In 1…k. Of equal entries the first are taken.

    Notes
    -----
    O(k): one partial sort, of the few magnitudes that a sample says may be among the largest.

    Examples
    --------
    >>> largest(np.array([1.0, -2.0, 2.0, -2.0]), 2)
    array([1, 2])
    """
    magnitudes = np.abs(x)
    candidates = np.flatnonzero(magnitudes >= _floor(magnitudes, count))
    if len(candidates) < count:  # the sample misled
        candidates = np.arange(len(x))
    heard = magnitudes[candidates]
    least = np.partition(heard, len(heard) - count)[len(heard) - count]
    chosen = candidates[heard >= least]
    ties = np.flatnonzero(magnitudes[chosen] == least)
    return np.delete(chosen, ties[len(ties) - (len(chosen) - count) :])


def _floor(magnitudes: np.ndarray, count: int) -> float:
    """Return a guess of what the `count` largest exceed: so does half as much again of a sample."""
    sample = magnitudes[:: max(1, len(magnitudes) // _SAMPLE)]
    share = min(len(sample), int(1.5 * len(sample) * count / len(magnitudes)) + 16)
    return float(np.partition(sample, len(sample) - share)[len(sample) - share])


def seal_sparse(kind: Kind, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return a message of some entries: the code of their indices, and their values as float32."""
    return seal(kind, len(x), encode_indices(indices, len(x)), pack_float32(x[indices]))


def open_sparse(message: np.ndarray, kind: Kind) -> tuple[np.ndarray, int]:
    """Return the vector that such a message means, and how many entries it has."""
    num_elements, body = open_message(message, kind)
    indices, body = decode_indices(body, num_elements)
    values, rest = take_float32(body, len(indices))
    finish(rest)
    x = np.zeros(num_elements)
    x[indices] = values
    return x, len(indices)
