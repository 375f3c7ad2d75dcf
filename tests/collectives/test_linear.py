"""Gather and scatter: one round, all bytes through the root's port."""

import numpy as np
import pytest

from mlsys_lib.collectives import cost, gather, reference, scatter
from mlsys_lib.comm import PerRank
from tests.collectives import bodies, checks
from tests.conftest import Machine


def test_gather_stacks_at_the_root(machine: Machine) -> None:
    for root in {0, machine.world_size - 1}:
        for shape in [(), (0,), (2, 3)]:
            xs = checks.arrays(machine.world_size, shape, "int16")
            results = machine.run(gather, PerRank(xs), root=root).results
            np.testing.assert_array_equal(results[root], reference.gather(xs), strict=True)
            assert [r for r, result in enumerate(results) if result is not None] == [root]


def test_scatter_hands_out_rows(machine: Machine) -> None:
    for root in {0, machine.world_size - 1}:
        x = np.arange(machine.world_size * 3.0).reshape(machine.world_size, 3)
        mine_only = [x if r == root else np.full_like(x, np.nan) for r in range(len(x))]
        results = machine.run(scatter, PerRank(mine_only), root=root).results
        for mine, theirs in zip(results, reference.scatter(x), strict=True):
            np.testing.assert_array_equal(mine, theirs, strict=True)


def test_scatter_undoes_gather(machine: Machine) -> None:
    x = np.arange(machine.world_size * 2).reshape(machine.world_size, 2)
    rows = machine.run(scatter, x).results
    np.testing.assert_array_equal(machine.run(gather, PerRank(rows)).results[0], x)


def test_costs_are_the_closed_forms(machine: Machine) -> None:
    run = machine.run(gather, np.ones(6))
    checks.check_costs(run.ledger, cost.gather_cost(machine.world_size, 6, 8))
    run = machine.run(scatter, np.ones((machine.world_size, 6)))
    checks.check_costs(run.ledger, cost.scatter_cost(machine.world_size, 6, 8))


@pytest.mark.parametrize("shape", [(), (1,), (3, 2)])
def test_scatter_needs_a_row_per_rank(pair: Machine, shape: tuple[int, ...]) -> None:
    run = pair.run(bodies.error_of, scatter, np.ones(shape))
    assert set(run.results) == {f"ValueError: x must have one row per rank (2), got shape {shape}"}
    assert run.ledger.messages == ()


def test_a_root_that_does_not_exist_is_refused(pair: Machine) -> None:
    for function in (gather, scatter):
        run = pair.run(bodies.error_of, function, np.ones(2), root=-1)
        assert set(run.results) == {"ValueError: root must be an integer in 0…1, got -1"}
        assert run.ledger.messages == ()
