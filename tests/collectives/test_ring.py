"""Ring reduce-scatter and all-gather; the ring all-reduce is in test_all_reduce."""

from collections.abc import Callable

import numpy as np

from mlsys_lib.collectives import cost, reference, ring_all_gather, ring_reduce_scatter
from mlsys_lib.comm import PerRank, simulate
from tests.collectives import bodies, checks
from tests.conftest import Machine


def check_reduce_scatter(machine: Machine, reduce_scatter: Callable[..., np.ndarray]) -> None:
    """Rank r has chunk r of the reference; the ledger is the closed form."""
    for num_elements in (0, 1, 3 * machine.world_size, 5 * machine.world_size + 2):
        xs = checks.arrays(machine.world_size, (num_elements,), "float64")
        for op in ("sum", "mean", "max"):
            run = machine.run(reduce_scatter, PerRank(xs), op=op)
            expected = reference.reduce_scatter(xs, op)
            for mine, theirs in zip(run.results, expected, strict=True):
                assert mine.shape == theirs.shape
                np.testing.assert_allclose(mine, theirs, rtol=1e-13)
        form = cost.ring_reduce_scatter_cost(machine.world_size, num_elements, 8)
        checks.check_costs(run.ledger, form)


def test_reduce_scatter(machine: Machine) -> None:
    check_reduce_scatter(machine, ring_reduce_scatter)


def test_all_gather_stacks_everything(machine: Machine) -> None:
    for shape in [(), (0,), (3,), (2, 5)]:
        xs = checks.arrays(machine.world_size, shape, "int32")
        run = machine.run(ring_all_gather, PerRank(xs))
        for mine, theirs in zip(run.results, reference.all_gather(xs), strict=True):
            np.testing.assert_array_equal(mine, theirs, strict=True)
        form = cost.ring_all_gather_cost(machine.world_size, int(np.prod(shape)), 4)
        checks.check_costs(run.ledger, form)


def test_chunks_of_a_ring_never_differ_by_more_than_one_element() -> None:
    run = simulate(ring_reduce_scatter, 7, np.ones(24))
    assert {message[4] for message in run.ledger.messages} == {3 * 8, 4 * 8}


def test_all_reduce_is_reduce_scatter_then_all_gather() -> None:
    """The two halves are the two halves of the cost."""
    for world_size in (2, 3, 8, 64):
        whole = cost.ring_all_reduce_cost(world_size, 64 * 9, 4)
        scatter = cost.ring_reduce_scatter_cost(world_size, 64 * 9, 4)
        assert whole.rounds == 2 * scatter.rounds
        if 64 * 9 % world_size == 0:
            gather = cost.ring_all_gather_cost(world_size, 64 * 9 // world_size, 4)
            assert whole.time_s(checks.PLAIN) == (scatter + gather).time_s(checks.PLAIN)


def test_reduce_scatter_refuses_the_mean_of_integers(pair: Machine) -> None:
    run = pair.run(bodies.error_of, ring_reduce_scatter, np.arange(4), op="mean")
    assert set(run.results) == {"TypeError: op 'mean' needs a floating dtype, got int64"}
    assert run.ledger.messages == ()
