"""Which entries are sent, in little more bits than it takes to say: gaps in a Rice code.

Sorted indices i_1 < i_2 < … become gaps g = i_j - i_{j-1} - 1. A gap is split at its lowest `width`
bits: the upper part in unary (that many zeros, then a one), the lower as it is. Rice, "Some
practical universal noiseless coding techniques", JPL Publication 79-22, 1979; it is the code of
Golomb, "Run-length encodings", IEEE Transactions on Information Theory 12(3), 1966,
doi:10.1109/TIT.1966.1053907, for powers of two. Where each entry is as likely to be sent as any
other, gaps are geometric and the code is within .04 bits an index of the best prefix code. As count
dense indices cost about log2 C(k, count) bits, no code does much better.

Ours writes all unary parts first and then all lower parts, so that both can be read at once.

>>> code = encode_indices(np.array([2, 3, 11]), num_elements=12)
>>> len(code), decode_indices(code, num_elements=12)[0]
(7, array([ 2,  3, 11]))
"""

import math

import numpy as np

from mlsys_lib.gradient_compression.wire import (
    MAX_WIDTH,
    MessageError,
    pack_bits,
    pack_uint32,
    packed_bytes,
    take,
    take_uint32,
    unpack_bits,
)

PREFIX_BYTES = 5
"""How many indices there are (4 bytes), and the width of lower parts (1)."""


def encode_indices(indices: np.ndarray, num_elements: int) -> np.ndarray:
    """Return rising indices as bytes.

    Parameters
    ----------
    indices : ndarray of shape (count,), integer
        Strictly rising, each in 0…num_elements - 1; may be empty.
    num_elements : int
        k.

    Returns
    -------
    ndarray of shape (num_bytes,), uint8
        The number of indices, the width, unary parts, lower parts. The width is the one that
        makes it shortest.
    """
    gaps: np.ndarray = np.diff(np.asarray(indices, np.int64), prepend=-1) - 1
    if len(gaps) and (gaps.min() < 0 or indices[-1] >= num_elements):
        raise ValueError(f"indices must rise strictly within 0…{num_elements - 1}")
    width = _best_width(gaps, num_elements)
    upper = gaps >> width
    ends = np.cumsum(upper + 1) - 1
    unary = np.zeros(ends[-1] + 1 if len(ends) else 0, np.uint8)
    unary[ends] = 1
    prefix = [pack_uint32(len(gaps)), np.array([width], np.uint8)]
    lower = [pack_bits(gaps & ((1 << width) - 1), width)] if width else []
    return np.concatenate([*prefix, np.packbits(unary, bitorder="little"), *lower])


def decode_indices(body: np.ndarray, num_elements: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices at the start of a body, and the rest of it.

    Returns
    -------
    indices : ndarray of shape (count,), int64
        Strictly rising, below `num_elements`.
    rest : ndarray of shape (num_bytes,), uint8

    Raises
    ------
    MessageError
        If the bytes are no such code.

    Notes
    -----
    Takes memory in proportion to the bytes of the body and the indices in them, whatever it says.
    """
    (count,), body = take_uint32(body, 1)
    head, body = take(body, 1)
    width = int(head[0])
    if count > num_elements or width >= MAX_WIDTH:
        raise MessageError(f"message says {count} indices below {num_elements}, width {width}")
    most_bits = count + (num_elements >> width)  # all upper parts together: one a index, and zeros
    bits = np.unpackbits(body[: packed_bytes(most_bits, 1)], bitorder="little")
    ends = np.flatnonzero(bits)[:count]
    if len(ends) < count:
        raise MessageError(f"message is truncated: {count} indices expected, got {len(ends)}")
    used = packed_bytes(int(ends[-1]) + 1 if count else 0, 1)
    if count and bits[ends[-1] + 1 : 8 * used].any():
        raise MessageError("message is inconsistent: bits after the last index are not zero")
    gaps = (np.diff(ends, prepend=-1) - 1) << width
    body = body[used:]
    if width:
        lower, body = take(body, packed_bytes(count, width))
        gaps |= unpack_bits(lower, width, count)
    indices = np.cumsum(gaps + 1) - 1
    if count and indices[-1] >= num_elements:
        raise MessageError(f"message says index {indices[-1]} of {num_elements} entries")
    return indices, body


def index_bits(num_elements: int, count: int) -> float:
    """Return log2 C(k, count): bits that any code needs for some set of indices.

    >>> round(index_bits(1_000_000, 10_000))
    80785
    """
    logs = [math.lgamma(n + 1) for n in (num_elements, count, num_elements - count)]
    return (logs[0] - logs[1] - logs[2]) / math.log(2)


def _best_width(gaps: np.ndarray, num_elements: int) -> int:
    """Return the width with the fewest bits, Σ (gap >> width) + count (1 + width).

    It is within one of the log2 of the mean gap, which is tried with its neighbors.
    """
    if not len(gaps):
        return 0
    middle = max(1, int(gaps.mean())).bit_length() - 1
    widths = range(max(0, middle - 1), middle + 2)
    return min(widths, key=lambda width: int((gaps >> width).sum()) + len(gaps) * (1 + width))
