"""How long each message is, as closed forms; the tests hold each to the bytes.

k numbers, B = ⌈k / bucket_size⌉ norms, float32 fields, one header of 5 bytes.

| compressor | bytes |
| --- | --- |
| uncompressed | 5 + 4 k |
| QSGD, fixed | 13 + 4 B + ⌈k (1 + ⌈log₂(levels + 1)⌉) / 8⌉ |
| QSGD, Elias | 17 + 4 B + ⌈nonzeros / 8⌉ + ⌈bits of the codes / 8⌉ |
| TernGrad | 9 + ⌈k / 5⌉ |
| sign, 1-bit | 9 + ⌈k / 8⌉, 13 + ⌈k / 8⌉ |
| random-k | 9 + 4 kept |
| top-k, threshold | 10 + 4 kept + bits of the gaps / 8 |
| ATOMO | 19 + 4 certain + ⌈drawn / 8⌉ + bits of both gaps / 8 |
| spectral ATOMO | 5 + Σ over layers of (4 + 4 atoms (1 + d_out + d_in)) |
| PowerSGD, no header | Σ over layers of 4 · min(r (d_out + d_in), d_out d_in) |

Where chance decides, a function gives the mean, and says over what.

>>> round(uncompressed_bytes(1_000_000) / sign_bytes(1_000_000), 3)
31.998
"""

import math
from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import integer, positive_int
from mlsys_lib.gradient_compression.compressor import magnitudes_of
from mlsys_lib.gradient_compression.elias import elias_lengths
from mlsys_lib.gradient_compression.qsgd import bucket_norms, nonzeros_bound, num_buckets
from mlsys_lib.gradient_compression.spectral import matrix_shapes
from mlsys_lib.gradient_compression.terngrad import TRITS
from mlsys_lib.gradient_compression.wire import FLOAT_BYTES, HEADER_BYTES, packed_bytes

QSGD_SETTINGS_BYTES = 8
COUNT_BYTES = 4
INDEX_PREFIX_BYTES = 5


def uncompressed_bytes(k: int) -> int:
    """Return the bytes of k numbers as float32."""
    return HEADER_BYTES + FLOAT_BYTES * positive_int("k", k)


def qsgd_fixed_bytes(k: int, num_levels: int, bucket_size: int | None = None) -> int:
    """Return the bytes of `QSGD` with code "fixed": exact.

    >>> qsgd_fixed_bytes(1000, num_levels=127)
    1017
    """
    k, num_levels = positive_int("k", k), positive_int("num_levels", num_levels)
    return _qsgd_prefix_bytes(k, bucket_size) + packed_bytes(k, 1 + num_levels.bit_length())


def qsgd_elias_bytes(levels: np.ndarray, bucket_size: int | None = None) -> int:
    """Return the bytes of `QSGD` with code "elias", exact for the levels that came up.

    Parameters
    ----------
    levels : ndarray of shape (k,), integer
        Each >= 0.
    """
    places = np.flatnonzero(levels)
    numbers = np.concatenate([np.diff(places, prepend=-1), levels[places]])
    prefix = _qsgd_prefix_bytes(len(levels), bucket_size) + COUNT_BYTES
    return (
        prefix + packed_bytes(len(places), 1) + packed_bytes(int(elias_lengths(numbers).sum()), 1)
    )


def qsgd_elias_bits(k: int, num_levels: int) -> float:
    """Return the paper's bound on the mean bits of its sparse code, and of one norm.

    (3 + 3/2 log₂(2 (levels² + k) / (levels (levels + √k)))) · levels (levels + √k) + 32: theorem
    3.2 of Alistarh et al., NeurIPS 2017, arXiv:1610.02132. The paper has 3/2 + o(1), which vanishes
    for large k, and leaves out headers; so for small k it is an estimate.

    >>> round(qsgd_elias_bits(1_000_000, num_levels=1))
    19498
    """
    k, num_levels = positive_int("k", k), positive_int("num_levels", num_levels)
    nonzeros = nonzeros_bound(k, num_levels)
    ratio = 2 * (num_levels**2 + k) / nonzeros
    return (3 + 1.5 * math.log2(ratio)) * nonzeros + 8 * FLOAT_BYTES


def qsgd_dense_bits(k: int) -> float:
    """Return 2.8 k + 32: what the paper says its dense code takes at most, for √k levels.

    Corollary 3.3 of Alistarh et al., without headers. It drops an o(1) that counts for levels as
    small as these: with Elias's ω code Gaussian numbers take 2.94 bits each.
    """
    return 2.8 * positive_int("k", k) + 8 * FLOAT_BYTES


def qsgd_dense_expected_bits(
    x: np.ndarray, num_levels: int, bucket_size: int | None = None
) -> float:
    """Return the mean bits of signs and codes of `QSGD` with code "elias_dense", exact for this x.

    A message has these, filled up to bytes twice, and 17 + 4 B bytes.

    Parameters
    ----------
    x : ndarray of shape (k,), floating
    num_levels, bucket_size
        As for `QSGD`.
    """
    magnitudes = magnitudes_of(x)
    norms = np.repeat(bucket_norms(magnitudes, bucket_size), bucket_size or len(x))[: len(x)]
    scaled = magnitudes * num_levels / np.where(norms > 0, norms, 1)
    lower = scaled.astype(np.int64)
    chance = scaled - lower
    low, high = (elias_lengths(lower + step) + (lower + step > 1) for step in (1, 2))
    return float(np.sum((1 - chance) * low + chance * high))


def terngrad_bytes(k: int) -> int:
    """Return the bytes of `TernGrad`, clipped or not: exact."""
    return HEADER_BYTES + FLOAT_BYTES + -(-positive_int("k", k) // TRITS)


def sign_bytes(k: int) -> int:
    """Return the bytes of `Sign`: exact."""
    return HEADER_BYTES + FLOAT_BYTES + packed_bytes(positive_int("k", k), 1)


def one_bit_bytes(k: int) -> int:
    """Return the bytes of `OneBit`: exact."""
    return HEADER_BYTES + 2 * FLOAT_BYTES + packed_bytes(positive_int("k", k), 1)


def random_k_bytes(num_kept: int) -> int:
    """Return the bytes of `RandomK`, whatever k is: exact."""
    return HEADER_BYTES + COUNT_BYTES + FLOAT_BYTES * positive_int("num_kept", num_kept)


def top_k_bytes(k: int, num_kept: int) -> float:
    """Return the mean bytes of `TopK`, or of `Threshold` that keeps as many.

    The mean is over sets of entries, each as likely. Entries that cluster cost less.

    >>> round(top_k_bytes(1_000_000, 10_000) / uncompressed_bytes(1_000_000), 4)
    0.0125
    """
    num_kept = integer("num_kept", num_kept, 1, positive_int("k", k))
    indices = INDEX_PREFIX_BYTES + expected_gap_bits(k, num_kept) / 8
    return HEADER_BYTES + indices + FLOAT_BYTES * num_kept


def atomo_bytes(k: int, num_certain: int, num_drawn: int) -> float:
    """Return the mean bytes of `Atomo` with so many entries sent as they are, and as ± √ν.

    The mean is over sets of entries, each as likely.
    """
    gaps = sum(expected_gap_bits(k, count) for count in (num_certain, num_drawn))
    fields = HEADER_BYTES + FLOAT_BYTES + 2 * INDEX_PREFIX_BYTES
    return fields + gaps / 8 + FLOAT_BYTES * num_certain + packed_bytes(num_drawn, 1)


def expected_gap_bits(k: int, count: int) -> float:
    """Return the mean bits of the Rice code of `count` of k indices, each set as likely.

    A gap is >= g with probability C(k - g, count) / C(k, count), so that with `width` lower bits an
    index takes 1 + width + Σ_{i >= 1} P(gap >= i 2^width) bits. Least over widths; the encoder, who
    sees the gaps, may do a little better.

    >>> round(expected_gap_bits(1_000_000, 10_000) / 10_000, 2)
    8.11
    """
    if count == 0:
        return 0.0
    middle = max(1, k // count - 1).bit_length() - 1  # about the log₂ of the mean gap
    widths = range(max(0, middle - 1), middle + 2)
    return count * min(1 + width + _mean_upper_part(k, count, width) for width in widths)


def _mean_upper_part(k: int, count: int, width: int) -> float:
    """Return the mean of ⌊gap / 2^width⌋."""
    total = 0.0
    for gap in range(2**width, k - count + 1, 2**width):
        probability = math.exp(_log_choices(k - gap, count) - _log_choices(k, count))
        total += probability
        if probability < 1e-12:
            break
    return total


def _log_choices(k: int, count: int) -> float:
    """Return log C(k, count), but for the log of count!, which cancels."""
    return math.lgamma(k + 1) - math.lgamma(k - count + 1)


def spectral_atomo_bytes(shapes: Sequence[tuple[int, ...]], num_atoms: Sequence[int]) -> int:
    """Return the bytes of `SpectralAtomo` that sends so many atoms of each layer: exact.

    >>> spectral_atomo_bytes([(32, 32)], num_atoms=[1])
    269
    """
    layers = zip(matrix_shapes(shapes), num_atoms, strict=True)
    return HEADER_BYTES + sum(
        COUNT_BYTES + FLOAT_BYTES * atoms * (1 + rows + columns)
        for (rows, columns), atoms in layers
    )


def power_sgd_bytes(shapes: Sequence[tuple[int, ...]], rank_r: int) -> int:
    """Return the bytes that `PowerSGD` puts into its two all-reduces together: exact.

    A layer that r factors would not make smaller goes as it is.

    >>> power_sgd_bytes([(10, 784), (10,)], rank_r=2)
    6392
    """
    rank_r = positive_int("rank_r", rank_r)
    return FLOAT_BYTES * sum(
        min(rank_r * (rows + columns), rows * columns) for rows, columns in matrix_shapes(shapes)
    )


def _qsgd_prefix_bytes(k: int, bucket_size: int | None) -> int:
    return HEADER_BYTES + QSGD_SETTINGS_BYTES + FLOAT_BYTES * num_buckets(k, bucket_size)
