"""SVRG and SAGA: unbiased by counting, without noise at the minimum, and linear in the mean."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlsys_lib.distributed_optimization.descent import gradient_descent
from mlsys_lib.distributed_optimization.losses import Logistic, Squared
from mlsys_lib.distributed_optimization.noisy_sums import NoisySum
from mlsys_lib.distributed_optimization.objective import Objective
from mlsys_lib.distributed_optimization.stochastic import sgd
from mlsys_lib.distributed_optimization.variance_reduction import (
    GradientTable,
    Snapshot,
    saga,
    saga_contraction,
    svrg,
    svrg_contraction,
)
from mlsys_lib.distributed_optimization.worst_cases import quadratic

NUM, SIZE, PENALTY = 20, 3, 0.2


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ridge() -> Objective:
    X = rng(1).normal(size=(NUM, SIZE))
    return Objective(X, X @ np.ones(SIZE) + rng(2).normal(size=NUM), Squared(), PENALTY)


RIDGE = ridge()
START = np.array([3.0, -2.0, 4.0])
MINIMIZER = np.linalg.solve(
    RIDGE.X.T @ RIDGE.X / NUM + PENALTY * np.eye(SIZE), RIDGE.X.T @ RIDGE.y / NUM
)
OPTIMUM = RIDGE.value(MINIMIZER)
ROUGHEST = float((RIDGE.X**2).sum(axis=1).max()) + PENALTY  # L of the roughest example


def single_gradients(weights: np.ndarray) -> np.ndarray:
    return np.array([RIDGE.batch_gradient(weights, np.array([j])) for j in range(NUM)])


def stale_table() -> GradientTable:
    """A table after some steps: each entry from another point."""
    table = GradientTable(RIDGE, START)
    for seed, example in enumerate(rng(5).integers(NUM, size=30)):
        point = rng(seed).normal(size=SIZE)
        table.remember(RIDGE.batch_gradient(point, np.array([example])), int(example))
    return table


def estimates(kind: str, weights: np.ndarray, *, at_minimum: bool = False) -> np.ndarray:
    """The estimate from every example, each as likely as the others."""
    if kind == "svrg":
        memory = MINIMIZER if at_minimum else START
        snapshot = Snapshot(memory, RIDGE.gradient(memory))
        return np.array([snapshot.estimate(RIDGE, weights, np.array([j])) for j in range(NUM)])
    table = GradientTable(RIDGE, MINIMIZER) if at_minimum else stale_table()
    return np.array([table.estimate(g, j) for j, g in enumerate(single_gradients(weights))])


@pytest.mark.parametrize("kind", ["svrg", "saga"])
def test_the_mean_over_all_examples_is_the_gradient_exactly(kind: str) -> None:
    for weights in (START, MINIMIZER, rng(9).normal(size=SIZE)):
        np.testing.assert_allclose(
            estimates(kind, weights).mean(axis=0), RIDGE.gradient(weights), atol=1e-13
        )


@pytest.mark.parametrize("kind", ["svrg", "saga"])
def test_the_variance_falls_to_zero_at_the_minimum(kind: str) -> None:
    """Four times nearer, sixteen times less; SGD keeps its noise."""
    away = rng(9).normal(size=SIZE)
    variances = [
        estimates(kind, MINIMIZER + scale * away, at_minimum=True).var(axis=0).sum()
        for scale in (1, 1 / 4, 0)
    ]
    assert variances[0] / variances[1] == pytest.approx(16)
    assert variances[2] < 1e-28 < 0.1 < single_gradients(MINIMIZER).var(axis=0).sum()


def test_the_estimate_without_the_mean_is_biased() -> None:
    """Planted: the correction without what is added back."""
    table = stale_table()
    wrong = single_gradients(START) - table.gradients
    assert np.abs(wrong.mean(axis=0) - RIDGE.gradient(START)).max() > 0.1


def test_the_mean_of_the_table_follows_its_rows() -> None:
    table = stale_table()
    np.testing.assert_allclose(table.mean, table.gradients.mean(axis=0), atol=1e-13)
    assert table.gradients.shape == (NUM, SIZE)


def transcribed_saga(steps: int, rate: float, generator: np.random.Generator) -> np.ndarray:
    """Defazio et al. 2014, equation 1, recomputing the mean of all points φ_j from scratch."""
    points = np.tile(START, (NUM, 1))
    weights = START
    for _ in range(steps):
        j = int(generator.integers(NUM, size=1)[0])
        stored = np.array([RIDGE.batch_gradient(points[i], np.array([i])) for i in range(NUM)])
        fresh = RIDGE.batch_gradient(weights, np.array([j]))
        new = weights - rate * (fresh - stored[j] + stored.mean(axis=0))
        points[j] = weights
        weights = new
    return weights


def test_saga_is_the_method_of_the_paper() -> None:
    ours = saga(RIDGE, START, 40, 0.05, rng(3)).weights
    np.testing.assert_allclose(ours, transcribed_saga(40, 0.05, rng(3)), atol=1e-12)


@pytest.mark.parametrize("snapshot", ["last", "random"])
def test_one_inner_step_of_svrg_is_a_step_along_the_full_gradient(snapshot: str) -> None:
    """At the snapshot itself, both corrections cancel. The random choice takes w_0 of the one."""
    run = svrg(RIDGE, START, 3, 0.05, rng(), inner_steps=1, snapshot=snapshot)
    expected = gradient_descent(RIDGE, START, 3, 0.05).weights if snapshot == "last" else START
    np.testing.assert_allclose(run.weights, expected, atol=1e-13)


def test_noise_that_does_not_depend_on_the_weights_is_taken_away_whole() -> None:
    base = quadratic(3, 2)
    noisy, quiet = (NoisySum(base, size * rng().normal(size=(6, 2))) for size in (10, 0))
    full = gradient_descent(base, base.start, 12, 0.1)
    by_svrg = svrg(noisy, base.start, 2, 0.1, rng(), inner_steps=6)
    np.testing.assert_allclose(by_svrg.weights, full.weights, atol=1e-12)
    paths = [saga(problem, base.start, 12, 0.1, rng()).values for problem in (noisy, quiet)]
    np.testing.assert_allclose(*paths, atol=1e-12)


def test_svrg_contracts_as_the_theorem_says() -> None:
    """The mean over 10 runs after each epoch is below α^s times the gap at first."""
    rate, inner = 1 / (10 * ROUGHEST), 2000
    contraction = svrg_contraction(rate, ROUGHEST, RIDGE.strong_convexity, inner)
    assert 0.3 < contraction < 0.5
    gaps = np.mean(
        [
            svrg(RIDGE, START, 3, rate, rng(s), inner_steps=inner, snapshot="random").values
            for s in range(10)
        ],
        axis=0,
    )
    gaps -= OPTIMUM
    assert all(gaps <= contraction ** np.arange(4) * gaps[0] * (1 + 1e-12))


def test_saga_contracts_as_the_theorem_says() -> None:
    """The mean over 30 runs is below the bound at every recorded step."""
    mu = PENALTY  # of each example
    rate = 1 / (2 * (mu * NUM + ROUGHEST))
    factor = saga_contraction(ROUGHEST, mu, NUM)
    runs = [saga(RIDGE, START, 800, rate, rng(s), record_every=50) for s in range(30)]
    gap = RIDGE.value(START) - OPTIMUM
    constant = ((START - MINIMIZER) ** 2).sum() + NUM / (mu * NUM + ROUGHEST) * gap
    # At least ‖w - w*‖², by strong convexity.
    distances = 2 / RIDGE.strong_convexity * (np.mean([r.values for r in runs], axis=0) - OPTIMUM)
    assert all(distances[1:] <= factor ** runs[0].steps[1:] * constant)
    assert factor**800 < 0.1


METHODS: dict[str, Callable[..., Any]] = {
    "svrg": lambda problem, rate, seed: svrg(problem, np.zeros(SIZE), 60, rate, rng(seed)),
    "saga": lambda problem, rate, seed: saga(
        problem, np.zeros(SIZE), 4000, rate, rng(seed), record_every=500
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_constant_step_reaches_the_minimum_where_sgd_does_not(name: str) -> None:
    run = METHODS[name](RIDGE, 1 / (3 * ROUGHEST), 0)
    noisy = sgd(RIDGE, START, 4000, 1 / (3 * ROUGHEST), rng(), record_every=500)
    assert run.values[-1] - OPTIMUM < 1e-14
    assert noisy.values[1:].min() - OPTIMUM > 1e-5


@pytest.mark.parametrize("name", METHODS)
def test_logistic_regression_too(name: str) -> None:
    X = rng(1).normal(size=(NUM, SIZE))
    problem = Objective(X, np.where(rng(2).random(NUM) < 0.5, 1.0, -1.0), Logistic(), PENALTY)
    roughest = float((X**2).sum(axis=1).max()) / 4 + PENALTY
    optimum = gradient_descent(problem, np.zeros(SIZE), 500).weights
    run = METHODS[name](problem, 1 / (3 * roughest), 0)
    np.testing.assert_allclose(run.weights, optimum, atol=1e-6)


def test_one_example_is_gradient_descent() -> None:
    problem = Objective(np.array([[1.0, 2.0]]), np.array([3.0]), Squared(), 0.1)
    full = gradient_descent(problem, np.zeros(2), 8, 0.1)
    np.testing.assert_allclose(saga(problem, np.zeros(2), 8, 0.1, rng()).values, full.values)
    twice = svrg(problem, np.zeros(2), 4, 0.1, rng())  # 2 n = 2 inner steps
    np.testing.assert_allclose(twice.values, full.values[::2])


def test_the_contraction_of_svrg_by_hand_and_where_it_says_nothing() -> None:
    """Johnson & Zhang: η = 0.1/L, m = 50 L/μ gives α = 1/(0.8 · 5) + 0.2/0.8 = 1/2."""
    assert svrg_contraction(0.1 / 7, 7, 0.5, 700) == pytest.approx(0.5)
    assert svrg_contraction(0.5, 1, 1, 10) == math.inf
    assert saga_contraction(3, 0.5, 10) == pytest.approx(1 - 0.5 / 16)


def test_too_long_a_step_diverges_and_says_so() -> None:
    for run in (svrg(RIDGE, START, 500, 3.0, rng()), saga(RIDGE, START, 5000, 3.0, rng())):
        assert run.diverged and np.isfinite(run.weights).all()


def test_no_step_leaves_the_start() -> None:
    for run in (svrg(RIDGE, START, 0, 0.1, rng()), saga(RIDGE, START, 0, 0.1, rng())):
        np.testing.assert_array_equal(run.weights, START)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: svrg(RIDGE, START, 1, 0.0, rng()), "learning_rate must be finite and > 0, got 0"),
        (lambda: saga(RIDGE, START, 1, -1.0, rng()), "learning_rate must be finite and > 0, got"),
        (lambda: svrg(RIDGE, START, -1, 0.1, rng()), "num_steps must be an integer >= 0, got -1"),
        (lambda: svrg(RIDGE, START, 1, 0.1, rng(), inner_steps=0), "inner_steps must be an integ"),
        (lambda: svrg(RIDGE, START, 1, 0.1, rng(), snapshot="mean"), "snapshot must be one of 'la"),
        (lambda: saga(RIDGE, START[:2], 1, 0.1, rng()), r"start must have shape \(3,\), got \(2,"),
        (lambda: svrg(RIDGE, START * np.nan, 1, 0.1, rng()), "start must be finite and have a fi"),
        (lambda: svrg_contraction(0.1, 1, 0, 5), "strong_convexity must be finite and > 0, got 0"),
        (lambda: saga_contraction(1, 1, 0), "num_examples must be an integer >= 1, got 0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
