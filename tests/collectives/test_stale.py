"""Bounded staleness: nobody is ahead by more than s steps; s = 0 is the synchronous server."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import StaleTrace, train_stale
from mlsys_lib.comm import Faults, Network, ProcessPool, simulate
from tests.collectives import bodies, quadratic
from tests.conftest import Machine

FAST = Network(latency_s=1e-3, seconds_per_byte=0.0)


def straggling(world_size: int, train: Callable[..., Any], staleness: int, slow: float) -> Any:
    """Run with rank 1 slow and return the run."""
    return simulate(
        train, world_size, np.zeros(5), quadratic.gradient, 20, 0.1, staleness, compute_s=0.1,
        network=FAST, faults=Faults(slow={1: slow}),
    )  # fmt: skip


def check_bound(machine: Machine, train: Callable[..., Any]) -> None:
    """The lead reaches the bound, and never passes it."""
    for staleness in (0, 1, 4):
        served = straggling(machine.world_size, train, staleness, slow=10.0).results[0]
        lead = served.lead if isinstance(served, StaleTrace) else served
        assert max(lead) == staleness


@pytest.mark.parametrize("world_size", [3, 4, 8])
def test_lead_never_passes_the_bound(world_size: int) -> None:
    check_bound(Machine(world_size, None), train_stale)


@pytest.mark.parametrize("staleness", [0, 1, 3])
def test_bound_holds_on_processes(pool: ProcessPool, staleness: int) -> None:
    run = pool.run(train_stale, np.zeros(5), quadratic.gradient, 20, 0.1, staleness)
    trace = run.results[0]
    assert len(trace.lead) == 60 and max(trace.lead) <= staleness
    assert np.array_equal(trace.history[-1], trace.weights)


def test_no_staleness_is_the_synchronous_server(several: Machine) -> None:
    """The order in which a step's gradients are subtracted differs: rounding, nothing more."""
    run = several.run(train_stale, np.zeros(5), quadratic.gradient, 30, 0.2, 0)
    expected = quadratic.serial(several.world_size - 1, 30, 0.2)
    np.testing.assert_allclose(run.results[0].weights, expected, rtol=1e-12)


def test_straggler_costs_less_time_the_larger_the_bound() -> None:
    """Time until half of all updates are in: the fast go on while the slow one computes."""
    half = []
    for staleness in (0, 2, 8):
        trace = straggling(4, train_stale, staleness, slow=5.0).results[0]
        half.append(trace.time_s[len(trace.time_s) // 2])
    assert half[0] > 1.1 * half[1] > 1.5 * half[2]


def test_without_a_straggler_the_bound_costs_nothing() -> None:
    times = [straggling(4, train_stale, s, slow=1.0).ledger.time_s() for s in (0, 5)]
    assert times[0] == pytest.approx(times[1], rel=0.05)


def test_trace_tells_which_updates_a_gradient_missed() -> None:
    """Two workers in step: the second update of each round does not know of the first."""
    trace = straggling(3, train_stale, 0, slow=1.0).results[0]
    assert trace.missed == (0, 1) * 20
    assert trace.history.shape == (41, 5) and not trace.history[0].any()
    assert list(trace.time_s) == sorted(trace.time_s)


def test_one_worker_is_plain_gradient_descent(pair: Machine) -> None:
    run = pair.run(train_stale, np.zeros(5), quadratic.gradient, 10, 0.2, 3)
    np.testing.assert_allclose(run.results[0].weights, quadratic.serial(1, 10, 0.2), rtol=1e-12)
    assert set(run.results[0].missed) == {0}


def test_pushes_and_pulls_are_counted(several: Machine) -> None:
    """W n pushes of k elements, and W (n - 1) pulls."""
    workers, steps = several.world_size - 1, 6
    run = several.run(train_stale, np.zeros(5), quadratic.gradient, steps, 0.1, 2)
    assert run.ledger.sent_bytes == (workers * (steps - 1) * 40, *[steps * 40] * workers)


def test_same_run_twice_is_the_same_run() -> None:
    first, second = (straggling(5, train_stale, 2, slow=3.0) for _ in range(2))
    assert first.ledger == second.ledger
    assert first.results[0].weights.tobytes() == second.results[0].weights.tobytes()


@pytest.mark.parametrize("staleness", [-1, 1.5])
def test_bad_bound_is_refused(pair: Machine, staleness: Any) -> None:
    call = (np.zeros(5), quadratic.gradient, 3, 0.1, staleness)
    run = pair.run(bodies.error_of, train_stale, *call)
    message = f"staleness must be an integer >= 0, got {staleness}"
    assert all(text.endswith(message) for text in run.results), run.results
    assert run.ledger.messages == ()
