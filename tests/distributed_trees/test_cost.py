"""The crossover, and the published case; that forms are ledgers is held where trees are grown."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from mlsys_lib.comm import simulate
from mlsys_lib.distributed_trees import exact_bins, planet_tree, yggdrasil_tree
from mlsys_lib.distributed_trees.columns import Columns
from mlsys_lib.distributed_trees.cost import (
    crossover_depth,
    full_levels,
    planet_bytes,
    planet_memory_bytes,
    yggdrasil_bytes,
    yggdrasil_memory_bytes,
)
from tests.distributed_trees.problems import problem

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


def peak_bytes(function: Callable[[], object]) -> int:
    """What a call allocates at most."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    ("num_rows", "num_features", "num_bins", "max_depth"),
    [(20_000, 20, 64, 6), (2_000, 100, 64, 6), (40_000, 5, 32, 4)],
)
def test_a_rank_needs_no_more_memory_than_its_shard_and_the_formula(
    num_rows, num_features, num_bins, max_depth
):
    p = problem("variance", num_rows, num_features)
    bins = exact_bins(p.X, num_bins)
    codes = bins.encode(p.X)
    args = (p.stats, bins, p.criterion, max_depth)
    peak = peak_bytes(lambda: simulate(planet_tree, 1, codes, *args))
    form = planet_memory_bytes(num_rows, num_features, bins.num_slots, 3, max_depth)
    assert 0.6 * form < peak < form


def test_columns_need_memory_for_their_rows_and_not_for_depth_or_number():
    p = problem("variance", 20_000, 4)
    for num_features, max_depth in ((1, 3), (4, 3), (4, 8)):
        columns = Columns(p.X[:, :num_features], np.arange(num_features))
        args = (columns, p.stats, np.arange(num_features), p.criterion, max_depth)
        peak = peak_bytes(lambda args=args: simulate(yggdrasil_tree, 1, *args))
        assert 0.5 < peak / yggdrasil_memory_bytes(20_000, 3) < 1


def test_the_crossover_knows_statistics_cuts_and_its_limit():
    assert crossover_depth(64, 1, 2, cut_words=7) is None
    assert crossover_depth(10**6, 100, 32, width=10) < crossover_depth(10**6, 100, 32)
    assert crossover_depth(10**6, 100, 32, limit=6) == 6
    assert crossover_depth(10**6, 100, 32, limit=5) is None


def test_memory_grows_with_statistics_and_depth():
    assert yggdrasil_memory_bytes(10, 10) == 10 * (20 + 60) * 8
    assert planet_memory_bytes(0, 1, 1, 10, 2) == (5 * 10 + 2 * 20) * 8
    deeper = planet_memory_bytes(0, 1, 1, 10, 3) - planet_memory_bytes(0, 1, 1, 10, 2)
    assert deeper == 5 * 10 * 8
