"""All-to-all is a transpose over ranks; nobody leaves a barrier before the last has come."""

import numpy as np
import pytest

from mlsys_lib.collectives import all_to_all, barrier, cost, reference
from mlsys_lib.comm import Communicator, Network, PerRank, simulate
from tests.collectives import bodies, checks
from tests.conftest import Machine


def test_all_to_all_is_the_reference(machine: Machine) -> None:
    for row in [(), (0,), (3,), (2, 2)]:
        xs = checks.arrays(machine.world_size, (machine.world_size, *row), "int64")
        run = machine.run(all_to_all, PerRank(xs))
        for mine, theirs in zip(run.results, reference.all_to_all(xs), strict=True):
            np.testing.assert_array_equal(mine, theirs, strict=True)
        form = cost.all_to_all_cost(machine.world_size, int(np.prod(row)), 8)
        checks.check_costs(run.ledger, form)


def test_all_to_all_twice_changes_nothing(machine: Machine) -> None:
    xs = checks.arrays(machine.world_size, (machine.world_size, 2), "float64")
    once = machine.run(all_to_all, PerRank(xs)).results
    np.testing.assert_array_equal(machine.run(all_to_all, PerRank(once)).results, xs)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_all_to_all_needs_a_row_per_rank(pair: Machine, shape: tuple[int, ...]) -> None:
    run = pair.run(bodies.error_of, all_to_all, np.ones(shape))
    assert set(run.results) == {f"ValueError: x must have one row per rank (2), got shape {shape}"}
    assert run.ledger.messages == ()


def test_barrier_costs_its_closed_form(machine: Machine) -> None:
    run = machine.run(barrier)
    checks.check_costs(run.ledger, cost.barrier_cost(machine.world_size))


def arrive(comm: Communicator, late: int) -> tuple[float, float]:
    """Come to the barrier, one rank late; return when it was entered and left."""
    comm.compute(10.0 if comm.rank == late else float(comm.rank) / 100)
    came_s = comm.now_s()
    barrier(comm)
    return came_s, comm.now_s()


@pytest.mark.parametrize("world_size", [1, 2, 3, 5, 8])
def test_nobody_leaves_before_the_last_has_come(world_size: int) -> None:
    for late in range(world_size):
        times = simulate(arrive, world_size, late, network=Network(1e-3, 0.0)).results
        last_came = max(came for came, _ in times)
        assert all(left >= last_came for _, left in times)
