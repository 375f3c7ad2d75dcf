import numpy as np
import pytest

from mlsys_lib.comm import PerRank, RankError, simulate
from mlsys_lib.distributed_optimization import (
    Objective,
    Squared,
    distributed_gradient_descent,
    local_sgd,
    solve,
)
from mlsys_lib.distributed_optimization.cost import primal_cost
from tests.conftest import Machine
from tests.distributed_optimization.tables import dealt, problem


def test_one_step_of_whole_shards_is_gradient_descent(machine: Machine) -> None:
    objective, m = problem("logistic"), machine.world_size
    parts = dealt(objective, m)
    run = machine.run(local_sgd, *parts, objective.loss, 0.05, 0.3, 5, 1, 60)
    descent = simulate(distributed_gradient_descent, m, *parts, objective.loss, 0.05, 0.3, 5)
    expected = descent.results[0].history
    if m <= 60:
        np.testing.assert_allclose(run.results[-1].history, expected, atol=1e-13)
    assert all(np.array_equal(r.history, run.results[0].history) for r in run.results)
    assert run.ledger.sent_bytes == tuple(primal_cost(m, 7, 5).sent_bytes)


def test_each_rank_steps_through_its_own_examples() -> None:
    """Two rounds of three steps written out, with unequal shards, one of them empty."""
    objective = problem("squared")
    tables, targets = (
        PerRank([objective.X[:40], objective.X[:0], objective.X[40:]]),
        PerRank([objective.y[:40], objective.y[:0], objective.y[40:]]),
    )
    run = simulate(
        local_sgd,
        3,
        tables,
        targets,
        objective.loss,
        0.05,
        lambda t: 0.2 / (t + 1),
        2,
        3,
        30,
        seed=1,
    )
    w, orders = np.zeros(7), {}
    for rank, n in ((0, 40), (2, 20)):
        rng, b = np.random.default_rng([1, rank]), min(30, n)
        passes = [rng.permutation(n) for _ in range(6)]
        orders[rank] = [order[s : s + b] for order in passes for s in range(0, n, b)]
    for start in (0, 3):
        new = np.zeros(7)
        for rank, share in ((0, 40 / 60), (2, 20 / 60)):
            own = Objective(tables.values[rank], targets.values[rank], Squared(), 0.05)
            local = w
            for step in range(start, start + 3):
                local = local - 0.2 / (step + 1) * own.batch_gradient(local, orders[rank][step])
            new += share * local
        w = new
    np.testing.assert_allclose(run.results[1].weights, w, atol=1e-13)


def test_many_own_steps_on_unlike_shards_end_beside_the_minimum() -> None:
    """One feature; half of the workers want 0 and bend ten times as much, half want 1."""
    X = PerRank([np.full((4, 1), np.sqrt(10.0)), np.ones((4, 1))])
    y = PerRank([np.zeros(4), np.ones(4)])
    ends = {}
    for steps in (1, 2, 20, 2000):
        run = simulate(local_sgd, 2, X, y, Squared(), 0.0, 0.05, 3000 // steps + 2, steps, 4)
        ends[steps] = float(run.results[0].weights[0])
    assert ends[1] == pytest.approx(1 / 11, abs=1e-6)  # the minimum
    assert ends[2] == pytest.approx(1 - 0.884956, abs=1e-5)  # section L of the reference numbers
    assert ends[20] == pytest.approx(1 - 0.609193, abs=1e-5)
    assert ends[2000] == pytest.approx(0.5, abs=1e-6)  # the average of the workers' own minima


def test_with_steps_that_shrink_it_nears_the_minimum() -> None:
    objective = problem("logistic")
    run = simulate(
        local_sgd, 4, *dealt(objective, 4), objective.loss, 0.05,
        lambda t: min(0.5, 40 / (t + 40)), 400, 5, 5,
    )  # fmt: skip
    assert objective.value(run.results[0].weights) - solve(objective).value < 3e-3


def test_a_run_that_diverges_stops_with_finite_weights_and_says_so() -> None:
    objective = problem("squared")
    result = simulate(
        local_sgd, 2, *dealt(objective, 2), objective.loss, 0.05, 1e6, 90, 5, 5
    ).results[0]
    assert result.diverged_at == len(result.history)
    assert np.isfinite(result.history).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_local_steps": 0}, "num_local_steps must be an integer >= 1, got 0"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
        ({"penalty": -1.0}, "penalty must be finite and >= 0, got -1"),
        ({"learning_rate": np.nan}, "learning_rate must be finite and > 0, got nan"),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    objective = problem("squared")
    good = {"penalty": 0.05, "learning_rate": 0.1, "batch_size": 5}
    good |= {"num_rounds": 2, "num_local_steps": 2}
    with pytest.raises(RankError, match=message):
        simulate(local_sgd, 2, *dealt(objective, 2), objective.loss, **(good | changes))
