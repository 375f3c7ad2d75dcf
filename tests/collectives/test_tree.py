"""Broadcast and reduce on a binomial tree, from and to any root."""

import numpy as np

from mlsys_lib.collectives import (
    cost,
    reference,
    tree_all_reduce,
    tree_broadcast,
    tree_reduce,
)
from mlsys_lib.comm import PerRank
from tests.collectives import bodies, checks
from tests.conftest import Machine


def test_broadcast_gives_everybody_what_the_root_had(machine: Machine) -> None:
    for root in {0, 1 % machine.world_size, machine.world_size - 1}:
        for shape in [(), (0,), (3, 2)]:
            xs = checks.arrays(machine.world_size, shape, "float32")
            run = machine.run(tree_broadcast, PerRank(xs), root=root)
            for mine, theirs in zip(run.results, reference.broadcast(xs, root), strict=True):
                np.testing.assert_array_equal(mine, theirs, strict=True)


def test_broadcast_costs_its_closed_form(machine: Machine) -> None:
    run = machine.run(tree_broadcast, np.ones(10))
    checks.check_costs(run.ledger, cost.tree_broadcast_cost(machine.world_size, 10, 8))


def test_reduce_leaves_the_result_at_the_root(machine: Machine) -> None:
    for root in {0, machine.world_size - 1}:
        for op in ("sum", "mean", "min"):
            xs = checks.arrays(machine.world_size, (5,), "float64")
            results = machine.run(tree_reduce, PerRank(xs), root=root, op=op).results
            np.testing.assert_allclose(results[root], reference.reduce(xs, op), rtol=1e-13)
            assert [r for r, result in enumerate(results) if result is not None] == [root]


def test_reduce_costs_its_closed_form(machine: Machine) -> None:
    run = machine.run(tree_reduce, np.ones(10))
    checks.check_costs(run.ledger, cost.tree_reduce_cost(machine.world_size, 10, 8))


def test_broadcast_carries_any_dtype(pair: Machine) -> None:
    """A broadcast adds nothing, so dates and flags travel too."""
    for x in (np.array(["2024-02-29"], "M8[D]"), np.array([True, False]), np.array([1 + 2j])):
        for result in pair.run(tree_broadcast, x).results:
            np.testing.assert_array_equal(result, x, strict=True)


def test_a_root_that_does_not_exist_is_refused(pair: Machine) -> None:
    for function in (tree_broadcast, tree_reduce):
        run = pair.run(bodies.error_of, function, np.ones(3), root=2)
        assert set(run.results) == {"ValueError: root must be an integer in 0…1, got 2"}
        assert run.ledger.messages == ()


def test_an_operation_of_ones_own_compares_rows(machine: Machine) -> None:
    xs = [np.array([[rank % 3, rank], [-rank, 7.0]]) for rank in range(machine.world_size)]
    run = machine.run(tree_all_reduce, PerRank(xs), bodies.larger_row)
    best = max(range(machine.world_size), key=lambda rank: (rank % 3, -rank))
    for result in run.results:
        assert result.tolist() == [[best % 3, best], [0, 7]]
