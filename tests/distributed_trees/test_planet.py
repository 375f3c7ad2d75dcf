from functools import partial

import numpy as np
import pytest

from mlsys_lib.collectives import ALL_REDUCES
from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.distributed_trees import (
    QuantileSketch,
    common_bins,
    common_grid,
    controller_tree,
    deal_rows,
    exact_bins,
    grow_exact_tree,
    grow_histogram_tree,
    planet_tree,
    voting_tree,
)
from mlsys_lib.distributed_trees.combine import ByAllReduce, ByReduceScatter
from mlsys_lib.distributed_trees.cost import full_levels, planet_bytes, reduce_scatter_bytes
from tests.conftest import Machine
from tests.distributed_trees.problems import CRITERIA, exact, problem

DEPTH = 3


def shards(num_rows: int, world_size: int, seed: int = 0) -> list[np.ndarray]:
    """Rows dealt out at random, some ranks with many and some with none."""
    rng = np.random.default_rng(seed)
    return np.split(rng.permutation(num_rows), np.sort(rng.integers(0, num_rows, world_size - 1)))


@pytest.mark.parametrize("subtract", [True, False])
def test_it_is_the_serial_tree_however_rows_are_dealt_out(machine: Machine, subtract: bool) -> None:
    p = problem("variance", 50, missing=0.1)  # fewer rows than the largest world has ranks
    bins = exact_bins(p.X, 8)
    codes = bins.encode(p.X)
    serial = grow_histogram_tree(codes, p.stats, bins, p.criterion, DEPTH)
    parts = shards(50, machine.world_size)
    own = [PerRank([table[rows] for rows in parts]) for table in (codes, p.stats)]
    run = machine.run(planet_tree, *own, bins, p.criterion, DEPTH, subtract=subtract)
    assert all(tree.same_as(serial) for tree in run.results)
    assert serial.num_nodes == 2 ** (DEPTH + 1) - 1
    levels = full_levels(DEPTH, subtract=subtract)
    form = planet_bytes(levels, p.X.shape[1], bins.num_slots, 3, machine.world_size)
    assert run.ledger.total_bytes == form


@pytest.mark.parametrize("name", CRITERIA)
def test_it_is_the_serial_tree_for_every_criterion_and_every_all_reduce(name: str) -> None:
    p = problem(name, 300, missing=0.1, weighted=True)
    bins = exact_bins(p.X, 12)
    codes = bins.encode(p.X)
    serial = grow_histogram_tree(codes, p.stats, bins, p.criterion, 5)
    for seed, all_reduce in enumerate(ALL_REDUCES.values()):
        own = [
            PerRank([table[rows] for rows in shards(300, 5, seed)]) for table in (codes, p.stats)
        ]
        combine = partial(ByAllReduce, all_reduce=all_reduce)
        run = simulate(planet_tree, 5, *own, bins, p.criterion, 5, combine=combine)
        assert all(tree.same_as(serial) for tree in run.results)


def test_reduce_scatter_finds_the_same_tree_with_half_the_bytes(machine: Machine) -> None:
    p = problem("variance", 50, missing=0.1)
    bins = exact_bins(p.X, 8)
    codes = bins.encode(p.X)
    serial = grow_histogram_tree(codes, p.stats, bins, p.criterion, DEPTH)
    parts = shards(50, machine.world_size)
    own = [PerRank([table[rows] for rows in parts]) for table in (codes, p.stats)]
    run = machine.run(planet_tree, *own, bins, p.criterion, DEPTH, combine=ByReduceScatter)
    assert all(tree.same_as(serial) for tree in run.results)
    counted, tried = (full_levels(DEPTH, subtract=subtract) for subtract in (True, False))
    sizes = (p.X.shape[1], bins.num_slots, 3, machine.world_size)
    assert run.ledger.total_bytes == reduce_scatter_bytes(counted, tried, *sizes)


def test_of_many_features_reduce_scatter_sends_half_of_what_all_reduce_sends() -> None:
    levels, tried = full_levels(6, subtract=True), full_levels(6, subtract=False)
    half = reduce_scatter_bytes(levels, tried, 784, 256, 3, 4) / planet_bytes(
        levels, 784, 256, 3, 4
    )
    assert 0.5 < half < 0.501


@pytest.mark.parametrize("combine", [ByAllReduce, ByReduceScatter])
def test_categories_are_cut_alike_on_all_ranks(combine) -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 9, 300).astype(float), rng.normal(size=300)])
    p = problem("variance", 300)
    stats = exact(p.criterion.encode(np.sin(40 * X[:, 0]) + X[:, 1], np.ones(300)))
    bins = exact_bins(X, 8, categorical=[0])
    codes = bins.encode(X)
    serial = grow_histogram_tree(codes, stats, bins, p.criterion, 4)
    own = [PerRank([table[rows] for rows in shards(300, 5)]) for table in (codes, stats)]
    run = simulate(planet_tree, 5, *own, bins, p.criterion, 4, combine=combine)
    assert all(tree.same_as(serial) for tree in run.results)
    assert any(len(chosen) for chosen in serial.categories)


def test_all_ranks_round_to_the_grid_of_all_rows(machine: Machine) -> None:
    p = problem("variance", 40)
    raw = p.criterion.encode(p.y, p.weight)
    parts = shards(40, machine.world_size)
    run = machine.run(common_grid, PerRank([raw[rows] for rows in parts]))
    for mine, rows in zip(run.results, parts, strict=True):
        assert np.array_equal(mine, exact(raw)[rows])


def test_without_the_grid_shards_can_part_the_trees() -> None:
    """The planted mistake: plain floating sums. Some sharding finds another tree."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (400, 1)).astype(float)
    X = np.hstack([x, 1 - x])  # two features that part the rows alike: a tie
    p = problem("variance")
    raw = p.criterion.encode(rng.normal(size=400), np.ones(400))
    bins = exact_bins(X, 2)
    codes = bins.encode(X)
    different = {True: 0, False: 0}
    for on_grid in (True, False):
        stats = exact(raw) if on_grid else raw
        serial = grow_histogram_tree(codes, stats, bins, p.criterion, 2)
        for seed in range(20):
            own = [
                PerRank([table[rows] for rows in shards(400, 3, seed)]) for table in (codes, stats)
            ]
            run = simulate(planet_tree, 3, *own, bins, p.criterion, 2)
            different[on_grid] += not run.results[0].same_as(serial)
    assert different[True] == 0 < different[False]


def test_common_bins_are_the_same_on_all_ranks_and_as_good_as_the_sketch_says(
    machine: Machine,
) -> None:
    X = np.random.default_rng(0).normal(size=(3000, 2))
    X[::7, 1] = np.nan
    parts = shards(3000, machine.world_size)
    run = machine.run(common_bins, PerRank([X[rows] for rows in parts]), 10, capacity=64)
    first = run.results[0]
    for other in run.results[1:]:
        assert all(map(np.array_equal, first.edges, other.edges))
    for f in range(2):
        column = np.sort(X[~np.isnan(X[:, f]), f])
        sketch = QuantileSketch(64)
        for rows in parts:
            sketch.merge(QuantileSketch(64).add(X[rows, f]))
        shares = np.searchsorted(column, first.edges[f])
        wanted = np.arange(1, 10) / 10 * len(column)
        kept = 2 ** len(sketch._levels)  # an edge lies between two kept values
        assert np.abs(shares - wanted).max() <= sketch.rank_error + kept


def test_the_capacity_is_used_and_a_large_shard_counts_for_more() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 1))
    coarse, whole = (
        simulate(common_bins, 1, x, 8, capacity=capacity).results[0].edges[0]
        for capacity in (16, 5000)
    )
    assert np.array_equal(whole, exact_bins(x, 8).edges[0])
    assert not np.array_equal(coarse, whole)
    parts = PerRank([rng.normal(size=(4000, 1)), 9 + rng.normal(size=(400, 1))])
    edge = simulate(common_bins, 2, parts, 2, capacity=64).results[0].edges[0]
    assert edge[0] < 1  # the median of all lies among the many


@pytest.mark.parametrize("num_ranks", [2, 3])
@pytest.mark.parametrize("feature", range(4))
def test_reduce_scatter_looks_at_every_feature(num_ranks: int, feature: int) -> None:
    p = problem("variance", 200)
    stats = exact(p.criterion.encode(p.X[:, feature], np.ones(200)))
    bins = exact_bins(p.X, 16)
    own = deal_rows(num_ranks, bins.encode(p.X), stats)
    run = simulate(planet_tree, num_ranks, *own, bins, p.criterion, 1, combine=ByReduceScatter)
    assert run.results[0].feature[0] == feature


def test_histograms_go_through_the_all_reduce_that_is_asked_for() -> None:
    p = problem("variance", 50)
    bins = exact_bins(p.X, 8)
    shapes = []

    def noting(comm, x):
        shapes.append(x.shape)
        return x

    combine = partial(ByAllReduce, all_reduce=noting)
    simulate(planet_tree, 1, bins.encode(p.X), p.stats, bins, p.criterion, 2, combine=combine)
    assert shapes == [(1, 4, bins.num_slots, 3)] * 2


GROW = {
    "serial": lambda own, all_rows, rest, w: grow_histogram_tree(*all_rows, *rest, min_weight=w),
    "planet": lambda own, all_rows, rest, w: simulate(
        planet_tree, 2, *own, *rest, min_weight=w
    ).results[0],
    "reduce-scatter": lambda own, all_rows, rest, w: simulate(
        planet_tree, 2, *own, *rest, min_weight=w, combine=ByReduceScatter
    ).results[0],
    "voting": lambda own, all_rows, rest, w: simulate(
        voting_tree, 2, *own, *rest, min_weight=w, top_k=4
    ).results[0],
    "controller": lambda own, all_rows, rest, w: simulate(
        controller_tree, 2, *all_rows, *rest, min_weight=w, num_blocks=2
    ).results[0].tree,
    "in memory": lambda own, all_rows, rest, w: simulate(
        controller_tree, 2, *all_rows, *rest, min_weight=w, num_blocks=2, in_memory_rows=99
    ).results[0].tree,
}  # fmt: skip


@pytest.mark.parametrize("way", GROW)
@pytest.mark.parametrize("min_weight", [0.0, 30.0])
def test_a_side_weighs_enough_however_the_tree_is_grown(way: str, min_weight: float) -> None:
    p = problem("variance", 200, 4, levels=3)
    bins = exact_bins(p.X, 200)
    all_rows = (bins.encode(p.X), p.stats)
    rest = (bins, p.criterion, 4)
    tree = GROW[way](deal_rows(2, *all_rows), all_rows, rest, min_weight)
    wanted = grow_exact_tree(p.X, p.stats, p.criterion, 4, min_weight=min_weight)
    for name in ("feature", "stats", "gain"):
        assert np.array_equal(getattr(tree, name), getattr(wanted, name))
    assert tree.stats[:, 0].min() >= min_weight


def test_a_tree_without_a_split_costs_its_total() -> None:
    p = problem("variance", 50)
    bins = exact_bins(p.X, 8)
    own = deal_rows(3, bins.encode(p.X), p.stats)
    for combine, form in (
        (ByAllReduce, planet_bytes([], 4, bins.num_slots, 3, 3)),
        (ByReduceScatter, reduce_scatter_bytes([], [], 4, bins.num_slots, 3, 3)),
    ):
        run = simulate(planet_tree, 3, *own, bins, p.criterion, 0, combine=combine)
        assert run.ledger.total_bytes == form == 2 * 2 * 3 * 8
        assert np.array_equal(run.results[1].stats[0], p.stats.sum(axis=0))
