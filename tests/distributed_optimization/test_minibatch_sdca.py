import numpy as np
import pytest

from mlsys_lib.comm import RankError, simulate
from mlsys_lib.distributed_optimization import (
    Hinge,
    Objective,
    cocoa,
    minibatch_sdca,
    safe_batch_scale,
    solve,
)
from mlsys_lib.distributed_optimization.cost import dual_cost
from tests.conftest import Machine
from tests.distributed_optimization.tables import LOSSES, dealt, problem, sparse


def scaled(objective: Objective, batch_size: int) -> float:
    return safe_batch_scale(objective.X, batch_size)


def test_it_is_the_serial_method_for_every_sharding(machine: Machine) -> None:
    objective, m = problem("hinge"), machine.world_size
    beta = scaled(objective, 25)
    run = machine.run(
        minibatch_sdca, *dealt(objective, m, uneven=True), objective.loss, 0.05, 6, 25, beta, seed=3
    )
    rng, dual, w = np.random.default_rng(3), np.zeros(60), np.zeros(7)
    X = np.asarray(objective.X)
    batches = [
        order[s : s + 25]
        for order in (rng.permutation(60), rng.permutation(60))
        for s in (0, 25, 50)
    ]
    for batch in batches:
        sizes = beta * (X[batch] ** 2).sum(axis=1) / (0.05 * 60)
        states = zip(dual[batch], objective.y[batch], X[batch] @ w, sizes, strict=True)
        dual[batch] = [objective.loss.best_dual(*state) for state in states]
        w = X.T @ dual / (0.05 * 60)
    assert np.concatenate([result.dual for result in run.results]) == pytest.approx(dual, abs=1e-12)
    for result in run.results:
        np.testing.assert_allclose(result.weights, w, atol=1e-12)
        assert result.gaps[-1] == pytest.approx(objective.gap(dual), abs=1e-12)
    assert run.ledger.sent_bytes == tuple(dual_cost(m, 7, 6).sent_bytes)


@pytest.mark.parametrize("name", LOSSES)
def test_the_safe_scale_never_loses_and_ends_at_the_minimum(name: str) -> None:
    objective = problem(name)
    args = *dealt(objective, 3), objective.loss, 0.05, 4000, 60, scaled(objective, 60)
    result = simulate(minibatch_sdca, 3, *args, tolerance=1e-6).results[0]
    assert result.gaps[-1] <= 1e-6
    assert np.diff(result.dual_values).min() >= -1e-12
    assert result.primal[-1] - solve(objective, 1e-9).value <= result.gaps[-1]


def test_steps_that_do_not_know_of_each_other_lose() -> None:
    """The planted mistake, β = 1: forty rows that are alike, all moved at once."""
    one = Objective(np.ones((40, 1)), np.ones(40), Hinge(), 0.05)
    runs = [
        simulate(minibatch_sdca, 2, *dealt(one, 2), one.loss, 0.05, 30, 40, beta).results[0]
        for beta in (1.0, scaled(one, 40))
    ]
    assert runs[0].gaps[-1] == runs[0].gaps[0] == 1
    assert runs[1].gaps[-1] < 1e-9


def test_the_scale_lies_between_rows_apart_and_rows_alike() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 5))
    values = [safe_batch_scale(X, b) for b in (1, 10, 30)]
    assert values[0] == 1 < values[1] < values[2] < 30
    assert safe_batch_scale(sparse(X), 10) == pytest.approx(values[1], rel=1e-5)
    assert safe_batch_scale(np.zeros((4, 2)), 3) == safe_batch_scale(np.ones((1, 2)), 1) == 1
    longer = X * rng.random((30, 1)) * 9
    assert safe_batch_scale(longer, 10) == pytest.approx(values[1])


def test_cocoa_needs_far_fewer_rounds() -> None:
    """Jaggi et al. 2014, figure 1: the same examples read a round, many times fewer rounds."""
    rng = np.random.default_rng(0)
    X = np.abs(rng.standard_normal((256, 20)))  # rows overlap, as those of texts do
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.where(X @ rng.standard_normal(20) + 0.1 * rng.standard_normal(256) > 0, 1.0, -1.0)
    objective = Objective(X, y, Hinge(), 0.01)
    parts = dealt(objective, 4)
    far = simulate(cocoa, 4, *parts, Hinge(), 0.01, 2000, tolerance=1e-3).results[0]
    near = simulate(
        minibatch_sdca, 4, *parts, Hinge(), 0.01, 2000, 256, scaled(objective, 256), tolerance=1e-3
    ).results[0]
    assert 5 * len(far.gaps) < len(near.gaps) < 2000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 61}, "batch_size must be an integer in 1…60, got 61"),
        ({"batch_scale": 0.0}, "batch_scale must be finite and > 0, got 0"),
        ({"batch_scale": 0.5}, "batch_scale must be >= 1, got 0.5"),
        ({"tolerance": -1.0}, "tolerance must be finite and >= 0, got -1"),
        ({"penalty": 0.0}, "penalty must be finite and > 0, got 0"),
        ({"num_rounds": -1}, "num_rounds must be an integer >= 1, got -1"),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    objective = problem("hinge")
    good = {"penalty": 0.05, "num_rounds": 2, "batch_size": 5, "batch_scale": 1.0}
    with pytest.raises(RankError, match=message):
        simulate(minibatch_sdca, 2, *dealt(objective, 2), objective.loss, **(good | changes))


def test_it_stops_at_the_first_gap_that_is_small_enough() -> None:
    objective = problem("logistic")
    args = *dealt(objective, 3), objective.loss, 0.05, 4000, 60, scaled(objective, 60)
    result = simulate(minibatch_sdca, 3, *args, tolerance=1e-4).results[0]
    assert result.gaps[-1] <= 1e-4 < result.gaps[-2]


def test_a_run_that_diverges_stops_with_finite_weights_and_says_so() -> None:
    one = Objective(np.ones((40, 1)), np.ones(40), LOSSES["squared"], 0.01)
    result = simulate(minibatch_sdca, 2, *dealt(one, 2), one.loss, 0.01, 900, 40, 1.0).results[0]
    assert result.diverged_at is not None
    assert len(result.history) == result.diverged_at == len(result.gaps)
    assert np.isfinite(result.history).all()
