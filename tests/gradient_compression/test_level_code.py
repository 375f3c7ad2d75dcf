import numpy as np
import pytest

from mlsys_lib.gradient_compression.level_code import CODES
from mlsys_lib.gradient_compression.wire import MessageError, pack_bits, pack_uint32


def level_vectors(num_levels: int) -> list[np.ndarray]:
    rng = np.random.default_rng(num_levels)
    sizes = (1, 2, 7, 8, 9, 100)
    sparse = [rng.integers(0, num_levels + 1, k) * (rng.random(k) < 0.1) for k in sizes]
    dense = [rng.integers(0, num_levels + 1, k) for k in sizes]
    return [*sparse, *dense, np.full(5, num_levels), np.zeros(9, np.int64), np.eye(1, 50, 49)[0]]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("num_levels", [1, 2, 3, 4, 127, 128, 255, 256, 1000, 2**29])
def test_levels_and_signs_come_back(code: str, num_levels: int) -> None:
    write, read = CODES[code]
    rng = np.random.default_rng(0)
    for vector in level_vectors(num_levels):
        levels = vector.astype(np.min_scalar_type(num_levels))
        negative = (rng.random(len(levels)) < 0.5) & (levels > 0)
        body = write(levels, negative, num_levels)
        read_levels, read_negative = read(body, len(levels), num_levels)
        np.testing.assert_array_equal(read_levels, levels)
        np.testing.assert_array_equal(read_negative, negative)


@pytest.mark.parametrize("code", CODES)
def test_a_level_above_the_largest_is_refused(code: str) -> None:
    write, read = CODES[code]
    body = write(np.array([0, 6]), np.array([False, False]), 6)
    with pytest.raises(MessageError, match="levels up to 5, got 6"):
        read(body, 2, 5)


def test_a_gap_beyond_the_end_is_refused() -> None:
    write, read = CODES["elias"]
    body = write(np.array([0, 0, 1]), np.zeros(3, np.bool_), 1)
    with pytest.raises(MessageError, match="entry 2 of 2"):
        read(body, 2, 1)


@pytest.mark.parametrize("code", ["elias", "elias_dense"])
def test_more_signs_than_numbers_are_refused(code: str) -> None:
    body = np.concatenate([pack_uint32(3), pack_bits(np.ones(3, np.int64), 1)])
    with pytest.raises(MessageError, match="3 of 2 not zero"):
        CODES[code][1](body, 2, 1)


def test_another_number_of_signs_than_of_levels_is_refused() -> None:
    write, read = CODES["elias_dense"]
    body = write(np.array([0, 1]), np.zeros(2, np.bool_), 1)
    body[0] = 2
    with pytest.raises(MessageError, match="not 2 levels above zero"):
        read(body, 2, 1)


def test_a_negative_zero_is_refused() -> None:
    body = pack_bits(np.array([2, 1]), 2)  # a sign bit, and a level of one
    with pytest.raises(MessageError, match="negative zero"):
        CODES["fixed"][1](body, 2, 1)
