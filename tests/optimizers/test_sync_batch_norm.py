"""Statistics over all ranks make the layer a function of the batch, however it is dealt."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import (
    parameter_server_all_reduce,
    recursive_doubling_all_reduce,
    ring_all_reduce,
)
from mlsys_lib.collectives.cost import ring_all_reduce_cost
from mlsys_lib.comm import PerRank, RankError, simulate
from mlsys_lib.optimizers import BatchNorm, SyncBatchNorm
from tests.conftest import Machine
from tests.optimizers import bodies
from tests.optimizers.problems import arrays

Batches = list[tuple[np.ndarray, np.ndarray]]
NUM_SAMPLES = 23


def deal(world_size: int, sizes: str) -> list[np.ndarray]:
    """Return which samples each rank has: alike, unlike, or all on the last rank."""
    order = np.arange(NUM_SAMPLES)
    if sizes == "alike":
        return np.array_split(order, world_size)
    if sizes == "one rank":
        return [order[:0]] * (world_size - 1) + [order]
    cuts = np.sort(np.random.default_rng(world_size).integers(0, NUM_SAMPLES, world_size - 1))
    return np.split(order, cuts)


def problem(shape: tuple[int, ...] = (NUM_SAMPLES, 3)) -> Batches:
    """Return three batches and gradients; the features' means lie away from 0."""
    pairs = [arrays([shape, shape], seed) for seed in range(3)]
    return [(4 * x + 10, g) for x, g in pairs]


def on_one_rank(batches: Batches) -> list[tuple[np.ndarray, ...]]:
    """Return what a plain layer does with the whole batches."""
    run = simulate(bodies.normalize, 1, bodies.Alone, ring_all_reduce, batches)
    return run.results[0]


def check_equals_one_rank(
    machine: Machine, make: Any, sizes: str = "alike", all_reduce: Any = ring_all_reduce
) -> None:
    """Joined outputs and input gradients, summed weight gradients, and equal statistics."""
    batches = problem()
    parts = deal(machine.world_size, sizes)
    own = PerRank([[(x[part], g[part]) for x, g in batches] for part in parts])
    results = machine.run(bodies.normalize, make, all_reduce, own).results
    for step, expected in enumerate(on_one_rank(batches)):
        ranks = [result[step] for result in results]
        found = [
            np.concatenate([rank[0] for rank in ranks]),
            np.concatenate([rank[1] for rank in ranks]),
            np.sum([rank[2] for rank in ranks], axis=0),
            np.sum([rank[3] for rank in ranks], axis=0),
        ]
        for mine, whole in zip(found, expected[:4], strict=True):
            np.testing.assert_allclose(mine, whole, rtol=1e-10, atol=1e-11)
        for rank in ranks:
            np.testing.assert_allclose(rank[4], expected[4], rtol=1e-12)
            np.testing.assert_allclose(rank[5], expected[5], rtol=1e-11)
            np.testing.assert_array_equal(rank[4], ranks[0][4])  # bitwise, or replicas drift
            np.testing.assert_array_equal(rank[5], ranks[0][5])


@pytest.mark.parametrize("sizes", ["alike", "unlike", "one rank"])
def test_shards_of_any_size_equal_the_whole_batch(machine: Machine, sizes: str) -> None:
    check_equals_one_rank(machine, SyncBatchNorm, sizes)


@pytest.mark.parametrize("all_reduce", [parameter_server_all_reduce, recursive_doubling_all_reduce])
def test_any_all_reduce_will_do(all_reduce: Any) -> None:
    check_equals_one_rank(Machine(5, None), SyncBatchNorm, "unlike", all_reduce)


def test_more_axes(several: Machine) -> None:
    batches = problem((NUM_SAMPLES, 3, 2))
    parts = deal(several.world_size, "alike")
    own = PerRank([[(x[part], g[part]) for x, g in batches] for part in parts])
    results = several.run(bodies.normalize, SyncBatchNorm, ring_all_reduce, own).results
    for step, expected in enumerate(on_one_rank(batches)):
        for i in range(2):
            joined = np.concatenate([result[step][i] for result in results])
            np.testing.assert_allclose(joined, expected[i], rtol=1e-10, atol=1e-11)


def test_bytes_are_those_of_two_small_all_reduces(machine: Machine) -> None:
    """2 d + 1 numbers forwards and 2 d backwards, in float64, whatever the batch."""
    d = 3
    for num_samples in (16, 640):
        pairs = arrays([(num_samples, d)] * 2, 0)
        parts = np.array_split(np.arange(num_samples), machine.world_size)
        own = PerRank([[(pairs[0][part], pairs[1][part])] for part in parts])
        run = machine.run(bodies.normalize, SyncBatchNorm, ring_all_reduce, own)
        forms = [ring_all_reduce_cost(machine.world_size, n, 8) for n in (2 * d + 1, 2 * d)]
        expected = forms[0].sent_bytes + forms[1].sent_bytes
        assert run.ledger.sent_bytes == tuple(int(n) for n in expected)
        assert run.ledger.rounds == forms[0].rounds + forms[1].rounds


def test_evaluation_sends_nothing(pair: Machine) -> None:
    (x,) = arrays([(4, 3)], 0)
    run = pair.run(bodies.evaluate, ring_all_reduce, x)
    assert run.ledger.messages == ()
    np.testing.assert_array_equal(run.results[0], BatchNorm(3).forward(x, training=False))


def test_statistics_of_each_rank_alone_depend_on_the_ranks() -> None:
    """The trap: the same batch, another output for each number of ranks."""
    (x,) = [x for x, _ in problem()[:1]]
    outputs = []
    for world_size in (1, 2, 4):
        parts = np.array_split(x, world_size)
        outputs.append(np.concatenate([BatchNorm(3).forward(part) for part in parts]))
    assert np.abs(outputs[0] - outputs[1]).max() > 0.05
    assert np.abs(outputs[1] - outputs[2]).max() > 0.05


def test_shards_of_one_sample_are_normalized_together() -> None:
    """A plain layer refuses each of them."""
    (x,) = arrays([(4, 3)], 0)
    own = PerRank([[(x[i : i + 1], x[i : i + 1])] for i in range(4)])
    results = simulate(bodies.normalize, 4, SyncBatchNorm, ring_all_reduce, own).results
    whole = on_one_rank([(x, x)])[0][0]
    np.testing.assert_allclose(np.concatenate([r[0][0] for r in results]), whole, rtol=1e-11)
    with pytest.raises(RankError, match="at least 2 samples"):
        simulate(bodies.normalize, 4, bodies.Alone, ring_all_reduce, own)


def test_one_sample_on_all_ranks_is_refused(pair: Machine) -> None:
    """On every rank alike: nobody is left waiting."""
    shards = [np.ones((1, 3)), np.ones((0, 3))]
    own = PerRank([[(x, x)] for x in shards])
    with pytest.raises(RankError, match="at least 2 samples a feature in training, got 1"):
        pair.run(bodies.normalize, SyncBatchNorm, ring_all_reduce, own)


def test_a_large_mean_cancels_less_once_the_running_mean_is_near() -> None:
    """Sums are taken around the running mean: 1e6 away from 0, ten digits of variance stay."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)) + 1e6
    layer = BatchNorm(3)
    layer.running_mean[:] = 1e6
    y = simulate(lambda comm: SyncBatchNorm(comm, layer, ring_all_reduce).forward(x), 1).results[0]
    np.testing.assert_allclose(y, BatchNorm(3).forward(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "wrong", [bodies.Alone, bodies.MeanOfVariances, bodies.BackwardAlone, bodies.BiasedCount]
)
def test_planted_version_is_rejected(wrong: Any) -> None:
    with pytest.raises(AssertionError):
        check_equals_one_rank(Machine(4, None), wrong)


def test_a_constant_feature_has_no_negative_variance() -> None:
    """Far from the running mean the difference of two squares is rounding alone."""
    for value in np.random.default_rng(0).uniform(1e7, 1e8, 20):
        x = np.full((7, 3), value)
        own = PerRank([[(part, part)] for part in np.array_split(x, 3)])
        results = simulate(bodies.normalize, 3, SyncBatchNorm, ring_all_reduce, own).results
        assert all(np.isfinite(array).all() for (row,) in results for array in row)


def test_single_precision_is_added_up_in_double() -> None:
    """The sums travel as float64, and what comes out is the layer's own dtype."""
    x = np.random.default_rng(0).normal(5, 1, (8, 3)).astype(np.float32)
    run = simulate(bodies.in_single_precision, 2, PerRank(np.split(x, 2)))
    assert all(dtypes == ["float32", "float32"] for dtypes in run.results)
    words = ring_all_reduce_cost(2, 7, 8).sent_bytes + ring_all_reduce_cost(2, 6, 8).sent_bytes
    assert run.ledger.sent_bytes == tuple(words)
