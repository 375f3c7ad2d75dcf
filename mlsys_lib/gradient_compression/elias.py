"""Elias's ω code: short strings of bits for small positive integers, whatever the largest.

Elias, "Universal codeword sets and representations of the integers", IEEE Transactions on
Information Theory 21(2), 1975, doi:10.1109/TIT.1975.1055349. The code of n is the binary form of n
with a 0 behind it and, before it, the code of its length less one, and so on down to 1:

    1 → 0    2 → 10 0    3 → 11 0    4 → 10 100 0    16 → 10 100 10000 0

Each group says how long the next one is, so that codes can be joined without commas. Here n is
below 2³², and a code has at most 43 bits. Ours works on whole arrays. Codes are joined in words of
64 bits. To read, the length of a code is found at *every* bit, which needs no order; then only the
chain from code to code is followed, 32 codes at a time.

>>> elias_encode(np.array([1, 2, 3, 4, 16]))
array([77, 69, 32], dtype=uint8)
>>> elias_decode(elias_encode(np.array([1, 2, 3, 4, 16])), 5)
array([ 1,  2,  3,  4, 16])
"""

from functools import cache

import numpy as np

from mlsys_lib.gradient_compression.wire import MessageError

LARGEST = 2**32 - 1
LONGEST = 43  # bits of the code of LARGEST
BLOCK_BYTES = 2**15  # read at once: its bits' lengths fit in the processor's cache
STRIDE_DOUBLINGS = 5
SHORT = 16  # codes up to this many bits are looked up


def elias_encode(values: np.ndarray) -> np.ndarray:
    """Return the codes of all values, joined; the last byte is filled with zeros.

    Parameters
    ----------
    values : ndarray of shape (count,), integer
        In 1…2³² - 1.

    Returns
    -------
    ndarray of shape (⌈elias_lengths(values).sum() / 8⌉,), uint8
    """
    lengths = elias_lengths(values)
    size = _bit_lengths(values)
    last = np.where(values == 1, 0, values).astype(np.uint64)  # the code of 1 has no groups
    codes = (_prefixes()[0][size] << size.astype(np.uint64) | last) << np.uint64(1)
    return _join(codes, lengths)


def elias_lengths(values: np.ndarray) -> np.ndarray:
    """Return the bits of each value's code: 1 for 1, 3 for 2 and 3, 6 for 4…7, 7 for 8…15.

    Parameters
    ----------
    values : ndarray of shape (count,), integer
        In 1…2³² - 1.

    Returns
    -------
    ndarray of shape (count,), int64
    """
    if values.size and (values.min() < 1 or values.max() > LARGEST):
        raise ValueError(f"values must be in 1…{LARGEST}, got {values.min()}…{values.max()}")
    size = _bit_lengths(values)
    return np.where(size == 1, 1, _prefixes()[1][size] + size + 1)


def _bit_lengths(values: np.ndarray) -> np.ndarray:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


@cache
def _prefixes() -> tuple[np.ndarray, np.ndarray]:
    """For numbers of 0…32 bits: the groups that stand before the number, and their bits."""
    texts = ["", ""]
    for size in range(2, 33):
        text, group = "", size - 1
        while group > 1:
            text, group = f"{group:b}{text}", group.bit_length() - 1
        texts.append(text)
    groups = np.array([int(text or "0", 2) for text in texts], np.uint64)
    return groups, np.array([len(text) for text in texts])


def _join(codes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Write codes of at most 63 bits one behind the other, highest bit first."""
    starts = np.cumsum(lengths) - lengths
    word, spare = starts >> 6, 64 - (starts & 63) - lengths  # spare < 0: the code goes on behind
    num_bits = int(lengths.sum())
    words = np.zeros(num_bits // 64 + 2, np.uint64)
    inside = codes << np.maximum(spare, 0).astype(np.uint64)
    inside >>= np.maximum(-spare, 0).astype(np.uint64)
    if len(codes):
        first = np.flatnonzero(np.diff(word, prepend=-1))
        words[word[first]] = np.bitwise_or.reduceat(inside, first)
    across = np.flatnonzero(spare < 0)
    words[word[across] + 1] |= codes[across] << (64 + spare[across]).astype(np.uint64)
    joined: np.ndarray = words.astype(">u8").view(np.uint8)
    return joined[: -(-num_bits // 8)]


def elias_decode(body: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` values whose codes make up the whole body.

    Parameters
    ----------
    body : ndarray of shape (num_bytes,), uint8
    count : int

    Returns
    -------
    ndarray of shape (count,), int64

    Raises
    ------
    MessageError
        If the body holds fewer codes or more, a value of 2³² or above, or a last byte that is not
        filled with zeros.

    Notes
    -----
    Takes some 30 bytes of memory for each value, and 3 MB.
    """
    if count > 8 * len(body):
        raise MessageError(f"message is truncated: {count} codes in {len(body)} bytes")
    padded = np.concatenate([body, np.zeros(8, np.uint8)])
    starts, end = _follow(padded, len(body), count)
    values, lengths = _read_at(padded, starts)
    if not lengths.all():
        raise MessageError("message is inconsistent: it has a code of 2³² or above")
    if -(-end // 8) != len(body):
        raise MessageError(f"message must have {count} codes in {len(body)} bytes, ends elsewhere")
    if len(body) and int(body[-1]) & ((1 << (-end % 8)) - 1):
        raise MessageError("message is inconsistent: its last bits are not zero")
    return values


def _follow(padded: np.ndarray, num_bytes: int, count: int) -> tuple[np.ndarray, int]:
    """Return at which bit each of `count` codes begins, and where the last one ends."""
    found, position, left = [np.zeros(0, np.int64)], 0, count
    while left and position < 8 * num_bytes:
        base = position // 8
        jumps = _jumps(padded[base : base + BLOCK_BYTES + 8])
        starts = 8 * base + _chain(jumps, position - 8 * base)
        starts, position = starts[:-1], int(starts[-1])
        if len(starts) > left:
            starts, position = starts[:left], int(starts[left])
        found.append(starts)
        left -= len(starts)
    if left:
        raise MessageError(f"message is truncated: {left} of {count} codes are missing")
    return np.concatenate(found), position


def _jumps(block: np.ndarray) -> np.ndarray:
    """Return for each bit where a code that began there would end; beyond the block, itself.

    The last eight bytes are not the block's own, but codes reach into them.
    """
    num_bits = 8 * (len(block) - 8)
    lengths = _short_codes()[1][_short_windows(block[:-6])]
    long = np.flatnonzero(lengths == 0)
    lengths[long] = _read(_windows(block, long))[1]
    jumps = np.arange(num_bits + LONGEST + 1)
    jumps[:num_bits] += np.maximum(lengths, 1)  # no code at all: go on, `elias_decode` will see it
    return jumps


def _chain(jumps: np.ndarray, start: int) -> np.ndarray:
    """Return start, jumps[start], … up to and with the first place that jumps to itself."""
    far = jumps
    for _ in range(STRIDE_DOUBLINGS):
        far = far[far]
    anchors = [start]
    while (next_anchor := int(far[anchors[-1]])) != anchors[-1]:
        anchors.append(next_anchor)
    columns = [np.array(anchors)]
    for _ in range(2**STRIDE_DOUBLINGS - 1):
        columns.append(jumps[columns[-1]])
    places = np.stack(columns, axis=1).ravel()
    end = anchors[-1]
    return places[: int(np.searchsorted(places, end)) + 1]


def _short_windows(block: np.ndarray) -> np.ndarray:
    """Return the 16 bits from each bit on, but for the bits of the last two bytes."""
    wide = block.astype(np.uint32)
    three = wide[:-2] << 16 | wide[1:-1] << 8 | wide[2:]
    windows = three[:, None] >> np.arange(8, 0, -1, dtype=np.uint32) & 0xFFFF
    return windows.ravel()


def _windows(padded: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the 64 bits from each given bit on, of which the last seven may be missing."""
    eight = padded[(positions >> 3)[:, None] + np.arange(8)]
    windows: np.ndarray = eight.view(">u8").ravel().astype(np.uint64)
    windows <<= (positions & 7).astype(np.uint64)
    return windows


def _read_at(padded: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and length of the code at each given bit; length 0 where there is none."""
    windows = _windows(padded, positions)
    short = windows >> np.uint64(64 - SHORT)
    values, lengths = (table[short] for table in _short_codes())
    long = np.flatnonzero(lengths == 0)
    values[long], lengths[long] = _read(windows[long])
    return values, lengths


@cache
def _short_codes() -> tuple[np.ndarray, np.ndarray]:
    """Value and length of the code at the head of each string of 16 bits; 0 where it is longer."""
    values, lengths = _read(np.arange(2**SHORT, dtype=np.uint64) << np.uint64(64 - SHORT))
    return values, np.where(lengths > SHORT, 0, lengths)


def _read(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and length of the code at the head of each 64 bits; length 0 if 2³² or above."""
    windows, count = windows.copy(), len(windows)
    values, lengths, used = (np.full(count, start, np.int64) for start in (1, 0, 0))
    going = np.arange(count)
    for _ in range(5):  # four groups at most, and the 0 behind them
        is_group = windows[going] >> np.uint64(63) == 1
        ended, going = going[~is_group], going[is_group]
        lengths[ended] = used[ended] + 1
        going = going[values[going] < 32]
        bits = values[going] + 1
        values[going] = windows[going] >> (64 - bits).astype(np.uint64)
        windows[going] <<= bits.astype(np.uint64)
        used[going] += bits
    return values, lengths
