"""QSGD: each number becomes a multiple of ‖x‖ / levels, by chance and without bias.

Alistarh, Grubic, Li, Tomioka & Vojnovic, "QSGD: communication-efficient SGD via gradient
quantization and encoding", NeurIPS 2017, arXiv:1610.02132, section 3.1:

    C(x)_i = ‖x‖ · sign(x_i) · l_i / levels,    u_i = levels · |x_i| / ‖x‖,

where l_i is ⌊u_i⌋ + 1 with probability u_i - ⌊u_i⌋, else ⌊u_i⌋, so that E C(x) = x. `levels`, our
`num_levels`, is the paper's s.

How ours differs. The norm travels as float32 and is rounded up, so that no u_i exceeds `levels`;
the expectation is exact for the norm that is sent. The Elias message has the paper's codes in
another order (`level_code`). The paper's experiments also divide by a bucket's largest number; its
theorems, and ours, by the 2-norm.

>>> x = np.array([3.0, -4.0, 0.0])
>>> QSGD(num_levels=5).compress(x, np.random.default_rng(0))
array([ 3., -4.,  0.])
>>> qsgd_variance(x, num_levels=1)  # ‖x‖₁ ‖x‖ - ‖x‖²
10.0
"""

import math
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer, one_of
from mlsys_lib.gradient_compression.compressor import Compressor, magnitudes_of
from mlsys_lib.gradient_compression.level_code import CODES
from mlsys_lib.gradient_compression.wire import (
    FLOAT32_SLACK,
    Kind,
    MessageError,
    each_float32_above,
    open_message,
    pack_float32,
    pack_uint32,
    seal,
    take_scales,
    take_uint32,
)

KINDS = {
    "fixed": Kind.QSGD_FIXED,
    "elias": Kind.QSGD_ELIAS,
    "elias_dense": Kind.QSGD_ELIAS_DENSE,
}
BLOCK = 2**15
MAX_LEVELS = 2**29  # times a float32 it is exact in float64, which keeps u_i <= levels


@dataclass(frozen=True)
class QSGD(Compressor):
    """Unbiased random rounding to multiples of ‖x‖ / num_levels.

    Parameters
    ----------
    num_levels : int
        The paper's s, in 1…2²⁹. With one level most numbers become 0; with √k and more, few do.
    code : str
        How the levels are written. "fixed": a sign and ⌈log₂(levels + 1)⌉ bits for each number.
        "elias": for each non-zero its sign and Elias's code of its gap and of its level; short
        while `num_levels` is far below √k. "elias_dense": Elias's code of level + 1 for each
        number, and a sign for each non-zero; the paper's choice for √k levels.
    bucket_size : int, optional
        Numbers that share a norm; the last bucket may be smaller. All, if left out. Smaller buckets
        have less variance, and each costs four bytes.
    """

    num_levels: int
    code: str = "fixed"
    bucket_size: int | None = None

    name = "QSGD"
    is_unbiased = True
    aggregation = "all_gather"

    def __post_init__(self) -> None:
        integer("num_levels", self.num_levels, 1, MAX_LEVELS)
        one_of("code", self.code, CODES)
        if self.bucket_size is not None:
            integer("bucket_size", self.bucket_size, 1, 2**32 - 1)

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`.

        Draws k numbers of `rng.random`, in the order of x.
        """
        magnitudes = magnitudes_of(x)
        norms = bucket_norms(magnitudes, self.bucket_size)
        levels = self._random_levels(magnitudes, norms, rng)
        write, _ = CODES[self.code]
        body = write(levels, np.signbit(x) & (levels > 0), self.num_levels)
        settings = pack_uint32(self.num_levels, self.bucket_size or 0)
        return seal(KINDS[self.code], len(x), settings, pack_float32(norms), body)

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        k, body = open_message(message, KINDS[self.code])
        (num_levels, bucket_size), body = take_uint32(body, 2)
        if (num_levels, bucket_size) != (self.num_levels, self.bucket_size or 0):
            raise MessageError(
                f"message must have {self.num_levels} levels in buckets of {self.bucket_size or k}"
                f", has {num_levels} in buckets of {bucket_size or k}"
            )
        norms, body = take_scales(body, num_buckets(k, self.bucket_size))
        levels, negative = CODES[self.code][1](body, k, self.num_levels)
        values = _spread(norms, k, self.bucket_size)
        values *= levels
        values /= self.num_levels
        values[negative] *= -1
        return values

    def error_bound(self, k: int) -> float:
        """Return min(d / levels², √d / levels) for buckets of d numbers: lemma 3.1 of the paper.

        A bucket's variance is at most its own bound times its own ‖·‖², so the sum is as well.
        """
        d = min(k, self.bucket_size or k)
        exact = min(d / self.num_levels**2, math.sqrt(d) / self.num_levels)
        return exact * FLOAT32_SLACK**2

    def _random_levels(
        self, magnitudes: np.ndarray, norms: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return l_i, unsigned: ⌊u_i⌋, and one more with probability u_i - ⌊u_i⌋."""
        k, divisors = len(magnitudes), np.where(norms > 0, norms, 1)
        levels: np.ndarray = np.empty(k, np.min_scalar_type(self.num_levels))
        d = min(self.bucket_size or k, k)
        step = BLOCK if d == k else d * max(1, BLOCK // d)
        for start in range(0, k, step):  # a block at a time stays in the cache
            part = slice(start, start + step)
            scaled = magnitudes[part] * self.num_levels
            whole = len(scaled) // d * d
            own = divisors[start // d :]
            scaled[:whole].reshape(-1, d)[...] /= own[: whole // d, None]
            scaled[whole:] /= own[whole // d : whole // d + 1]  # of a bucket that is cut
            levels[part] = scaled
            scaled -= levels[part]
            levels[part] += rng.random(len(scaled)) < scaled
        return levels


def num_buckets(k: int, bucket_size: int | None) -> int:
    """Return how many norms a message has: ⌈k / bucket_size⌉, or one."""
    return -(-k // (bucket_size or k))


def bucket_norms(magnitudes: np.ndarray, bucket_size: int | None = None) -> np.ndarray:
    """Return the 2-norm of each bucket, rounded up to a float32.

    Parameters
    ----------
    magnitudes : ndarray of shape (k,), float64
        |x|.
    bucket_size : int, optional
        One bucket if left out.

    Returns
    -------
    ndarray of shape (⌈k / bucket_size⌉,), float64
        None is below the bucket's largest number, so that none is 0 unless all of the bucket is.

    Raises
    ------
    ValueError
        If a norm is beyond float32, about 3.4e38.
    """
    d = bucket_size or len(magnitudes)
    peaks = each_float32_above(np.maximum.reduceat(magnitudes, np.arange(0, len(magnitudes), d)))
    whole = magnitudes[: len(magnitudes) // d * d].reshape(-1, d)
    squares = np.einsum("ij,ij->i", whole, whole)
    if len(rest := magnitudes[whole.size :]):
        squares = np.append(squares, rest @ rest)
    return each_float32_above(np.maximum(np.sqrt(squares), peaks))


def qsgd_variance(x: np.ndarray, num_levels: int, bucket_size: int | None = None) -> float:
    """Return E‖C(x) - x‖² = Σ over buckets of (‖·‖ / levels)² Σ f_i (1 - f_i), exactly.

    f_i = u_i - ⌊u_i⌋ is the probability of the higher level, and ‖·‖ the norm that is sent. With
    one level it is ‖x‖₁ ‖x‖ - ‖x‖².

    Parameters
    ----------
    x : ndarray of shape (k,), floating
    num_levels, bucket_size
        As for `QSGD`.
    """
    QSGD(num_levels, bucket_size=bucket_size)  # refuses what it would
    magnitudes = magnitudes_of(x)
    norms = _spread(bucket_norms(magnitudes, bucket_size), len(x), bucket_size)
    scaled = magnitudes * num_levels / np.where(norms > 0, norms, 1)
    fractions = scaled - np.floor(scaled)
    return float(np.sum((norms / num_levels) ** 2 * fractions * (1 - fractions)))


def nonzeros_bound(k: int, num_levels: int) -> float:
    """Return levels · (levels + √k): at most so many of k numbers are not zero on average.

    Lemma 3.1 of the paper. It says something where `num_levels` is below √k; for one level the mean
    is ‖x‖₁ / ‖x‖.
    """
    return num_levels * (num_levels + math.sqrt(k))


def _spread(per_bucket: np.ndarray, k: int, bucket_size: int | None) -> np.ndarray:
    """Return an array with the bucket's number at each of its places."""
    return np.repeat(per_bucket, min(bucket_size or k, k))[:k]
