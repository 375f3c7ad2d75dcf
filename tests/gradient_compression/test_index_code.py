"""Indices come back, in few more bits than any code needs; hostile bytes are refused."""

import numpy as np
import pytest

from mlsys_lib.gradient_compression.index_code import (
    PREFIX_BYTES,
    decode_indices,
    encode_indices,
    index_bits,
)
from mlsys_lib.gradient_compression.wire import MessageError, pack_uint32


def sets() -> list[tuple[int, np.ndarray]]:
    rng = np.random.default_rng(0)
    cases = [(1, [0]), (1, []), (9, []), (9, [8]), (9, [0]), (9, range(9)), (2**26, [2**26 - 1])]
    found = [(k, np.array(indices, np.int64)) for k, indices in cases]
    for k, count in [(10, 3), (1000, 1), (1000, 10), (1000, 500), (1000, 999), (50_000, 500)]:
        found.append((k, np.sort(rng.choice(k, count, replace=False))))
    found.append((10_000, np.arange(9_000, 9_900)))  # far from evenly spread
    return found


@pytest.mark.parametrize(("k", "indices"), sets())
def test_indices_come_back_and_what_follows_is_left(k: int, indices: np.ndarray) -> None:
    tail = np.array([5, 255, 0], np.uint8)
    code = encode_indices(indices, k)
    decoded, rest = decode_indices(np.concatenate([code, tail]), k)
    np.testing.assert_array_equal(decoded, indices)
    np.testing.assert_array_equal(rest, tail)


def bits_by_hand(indices: np.ndarray) -> int:
    """The length of the shortest of all Rice codes, counted index by index."""
    totals = []
    for width in range(32):
        previous, total = -1, 0
        for index in indices.tolist():
            total += ((index - previous - 1) >> width) + 1 + width
            previous = index
        totals.append(total)
    return min(totals)


@pytest.mark.parametrize(("k", "indices"), sets()[7:12])
def test_the_width_is_the_best_one(k: int, indices: np.ndarray) -> None:
    """Two parts, each filled up to a byte."""
    code = encode_indices(indices, k)
    assert 0 <= 8 * (len(code) - PREFIX_BYTES) - bits_by_hand(indices) < 16


def test_one_percent_of_a_million_costs_within_a_tenth_of_a_percent_of_the_least() -> None:
    rng = np.random.default_rng(1)
    indices = np.sort(rng.choice(10**6, 10**4, replace=False))
    bits = 8 * len(encode_indices(indices, 10**6))
    assert bits <= index_bits(10**6, 10**4) + 0.05 * 10**4


def test_least_bits_are_the_logarithm_of_the_number_of_sets() -> None:
    assert index_bits(10, 3) == pytest.approx(np.log2(120))
    assert index_bits(10, 0) == index_bits(10, 10) == pytest.approx(0)


@pytest.mark.parametrize("indices", [[1, 1], [3, 2], [-1, 2], [0, 5]])
def test_indices_that_do_not_rise_within_k_are_refused(indices: list[int]) -> None:
    with pytest.raises(ValueError, match=r"indices must rise strictly within 0…4"):
        encode_indices(np.array(indices), 5)


def test_a_huge_count_or_width_is_refused_before_memory_is_taken() -> None:
    body = np.concatenate([pack_uint32(2**26), np.array([0], np.uint8)])
    with pytest.raises(MessageError, match="message is truncated: 67108864 indices"):
        decode_indices(body, 2**26)
    with pytest.raises(MessageError, match="says 2 indices below 9, width 32"):
        decode_indices(np.concatenate([pack_uint32(2), np.array([32, 3], np.uint8)]), 9)
    with pytest.raises(MessageError, match="says 10 indices below 9"):
        decode_indices(np.concatenate([pack_uint32(10), np.array([0, 3], np.uint8)]), 9)


def test_bits_after_the_last_index_must_be_zero() -> None:
    """So that a set of indices has one message and not many."""
    code = encode_indices(np.array([0, 1, 2]), 3)  # width 0: three ones
    assert code[PREFIX_BYTES:].tolist() == [0b111]
    code[PREFIX_BYTES] |= 1 << 6
    with pytest.raises(MessageError, match="bits after the last index are not zero"):
        decode_indices(code, 3)


def test_every_change_of_a_byte_is_refused_or_means_rising_indices() -> None:
    k, indices = 40, np.array([0, 7, 8, 31, 39])
    code = encode_indices(indices, k)
    refused = 0
    for place in range(len(code)):
        for value in range(256):
            changed = code.copy()
            changed[place] = value
            try:
                decoded, _ = decode_indices(changed, k)
            except MessageError:
                refused += 1
                continue
            assert np.all(np.diff(decoded) > 0) and (not len(decoded) or decoded[-1] < k)
            assert not len(decoded) or decoded[0] >= 0
    assert refused > 100


def gaps_from_the_last_index(indices: np.ndarray, k: int) -> np.ndarray:
    """A wrong version: the gap is the whole distance, so index 0 and neighbors cost a bit more."""
    return encode_indices(np.cumsum(np.diff(indices, prepend=-1)), k + 1)


def test_planted_code_of_whole_distances_is_rejected() -> None:
    indices = np.array([2, 3, 11])
    decoded, _ = decode_indices(gaps_from_the_last_index(indices, 12), 13)
    assert not np.array_equal(decoded, indices)
