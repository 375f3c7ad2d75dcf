"""The crossover, and the published case; that forms are ledgers is held where trees are grown."""

import pytest

from mlsys_lib.distributed_trees.cost import (
    crossover_depth,
    full_levels,
    planet_bytes,
    yggdrasil_bytes,
)

# n, k, B, and the first depth at which PLANET is dearer: bits packed, and bits taken for words.
CASES = [(10**6, 100, 32, 6, 12), (2 * 10**6, 3500, 32, 1, 7), (8_100_000, 784, 32, 6, 12)]


@pytest.mark.parametrize(("rows", "features", "bins", "packed", "as_words"), CASES)
def test_the_crossover_is_that_of_the_reference_numbers(rows, features, bins, packed, as_words):
    assert crossover_depth(rows, features, bins) == packed
    assert crossover_depth(rows, features, bins, word_bits=1) == as_words


def test_more_features_favor_yggdrasil_and_more_rows_planet():
    assert crossover_depth(10**6, 1000, 32) < crossover_depth(10**6, 10, 32)
    assert crossover_depth(10**7, 100, 32) > crossover_depth(10**5, 100, 32)
    assert crossover_depth(10**30, 1, 2, limit=10) is None


def test_subtraction_halves_planet():
    whole = planet_bytes(full_levels(10, subtract=False), 5, 32, 3, 4)
    half = planet_bytes(full_levels(10, subtract=True), 5, 32, 3, 4)
    assert half / whole == pytest.approx(0.5, abs=1e-3)


def test_one_rank_sends_nothing():
    assert planet_bytes([1, 2], 5, 32, 3, 1) == yggdrasil_bytes([1, 2], [[9]], 3, 1) == 0


def test_a_wide_table_costs_yggdrasil_a_thousandth():
    """n = 100 000, k = 2 000, m = 4, D = 5, 256 codes: counted, not quoted."""
    levels = full_levels(5, subtract=False)
    planet = planet_bytes(levels, 2000, 256, 3, 4)
    yggdrasil = yggdrasil_bytes(levels, [[100_000]] * 5, 3, 4)
    assert yggdrasil * 1000 < planet
