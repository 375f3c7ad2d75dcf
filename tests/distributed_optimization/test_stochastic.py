"""SGD: the path torch takes, the variance that a constant step leaves, and the bounds."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from mlsys_lib.distributed_optimization.bounds import subgradient_bound, weighted_average_bound
from mlsys_lib.distributed_optimization.descent import gradient_descent
from mlsys_lib.distributed_optimization.kinks import MaxNorm
from mlsys_lib.distributed_optimization.noisy_sums import AbsoluteSum, NoisySum
from mlsys_lib.distributed_optimization.sampling import SAMPLINGS, batches
from mlsys_lib.distributed_optimization.step_sizes import (
    inverse_sqrt,
    inverse_time,
    lipschitz,
    weighted_inverse_time,
)
from mlsys_lib.distributed_optimization.stochastic import sgd, stationary_variance, variance_after
from mlsys_lib.distributed_optimization.worst_cases import Quadratic, quadratic

COIN = NoisySum(Quadratic(np.ones(1)), np.array([[1.0], [-1.0]]))
NOISY = NoisySum(quadratic(4, 3), np.random.default_rng(0).normal(size=(10, 3)))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [1, 4])
def test_the_path_is_torchs_on_the_same_batches(sampling: str, size: int) -> None:
    run = sgd(
        NOISY, NOISY.start, 30, inverse_sqrt(0.2), rng(7),
        batch_size=size, sampling=sampling, keep_iterates=True,
    )  # fmt: skip
    hessian = torch.tensor(np.diag(np.geomspace(1, 4, 3)))
    weights = torch.tensor(NOISY.start, requires_grad=True)
    walk = torch.optim.SGD([weights], lr=0.2)
    schedule = torch.optim.lr_scheduler.LambdaLR(walk, lambda step: (step + 1) ** -0.5)
    stream = batches(10, size, sampling, rng(7))
    assert run.iterates is not None
    for step in range(30):
        walk.zero_grad()
        noise = torch.tensor(NOISY.noise[next(stream)])
        (0.5 * weights @ hessian @ weights + (noise @ weights).mean()).backward()
        walk.step()
        schedule.step()
        np.testing.assert_allclose(run.iterates[step + 1], weights.detach().numpy(), atol=1e-13)


@pytest.mark.parametrize("sampling", ["without_replacement", "epochs"])
def test_a_batch_of_everything_is_gradient_descent(sampling: str) -> None:
    full = gradient_descent(NOISY, NOISY.start, 20, 0.1)
    run = sgd(NOISY, NOISY.start, 20, 0.1, rng(), batch_size=10, sampling=sampling)
    np.testing.assert_allclose(run.values, full.values, rtol=1e-12)
    np.testing.assert_allclose(run.average, full.average, atol=1e-14)


def test_a_batch_of_everything_with_replacement_is_not() -> None:
    """Planted: drawing with replacement where without was meant."""
    full = gradient_descent(NOISY, NOISY.start, 20, 0.1)
    run = sgd(NOISY, NOISY.start, 20, 0.1, rng(), batch_size=10, sampling="with_replacement")
    assert np.abs(run.values - full.values).max() > 1e-3


@pytest.mark.parametrize("learning_rate", [0.5, 0.1, 0.01])
def test_a_constant_step_ends_with_the_stationary_variance(learning_rate: float) -> None:
    """Along a long run, after a burn-in. T steps hold about η T / 2 separate squares."""
    steps = math.ceil(4 / learning_rate)
    run = sgd(
        COIN, np.zeros(1), 20_000, learning_rate, rng(), record_every=20_000, keep_iterates=True
    )
    assert run.iterates is not None
    settled = run.iterates[steps:].var()
    spread = math.sqrt(2 / (learning_rate * 20_000 / 2))
    assert settled == pytest.approx(stationary_variance(learning_rate), rel=4 * spread)


def test_the_reference_numbers_of_the_stationary_variance() -> None:
    numbers = [stationary_variance(rate) for rate in (0.5, 0.1, 0.01)]
    assert numbers == pytest.approx([1 / 3, 1 / 19, 1 / 199], rel=1e-14)
    assert variance_after(1.0, 1, 4.0) == 4  # one step of length 1 leaves the noise alone
    assert variance_after(0.3, 0) == 0
    assert variance_after(0.3, 500, 2.0) == pytest.approx(stationary_variance(0.3, 2.0))


def test_the_variance_after_a_few_steps_by_counting_all_coins() -> None:
    rate, outcomes = 0.3, np.array([0.7])
    for step in range(1, 9):
        outcomes = np.concatenate(
            [x - rate * COIN.batch_gradient(np.array([x]), np.array([j]))
             for x in outcomes for j in (0, 1)]
        )  # fmt: skip
        assert outcomes.var() == pytest.approx(variance_after(rate, step), rel=1e-12)


@pytest.mark.parametrize("size", [1, 4, 16])
def test_a_larger_batch_lowers_the_floor_by_as_much(size: int) -> None:
    many = NoisySum(Quadratic(np.ones(1)), np.repeat([[1.0], [-1.0]], 8, axis=0))
    run = sgd(
        many, np.zeros(1), 8000, 0.2, rng(), batch_size=size, record_every=8000, keep_iterates=True
    )
    assert run.iterates is not None
    assert run.iterates[50:].var() == pytest.approx(stationary_variance(0.2, 1 / size), rel=0.15)


def test_the_mean_of_the_average_on_absolute_values_is_known_exactly() -> None:
    """E f = R_w G/√T (1 - (1 - 1/T)^T); the mean of 400 runs is within four standard errors."""
    problem, horizon = AbsoluteSum(9, gradient_bound=2.0, radius=3.0), 9
    bound = subgradient_bound(horizon, gradient_bound=2, radius=3)
    errors = []
    for seed in range(400):
        rule = lipschitz(3, 2, horizon)
        run = sgd(problem, problem.start, horizon, rule, rng(seed), record_every=horizon)
        errors.append(problem.value(run.average))
    expected = bound * (1 - (1 - 1 / horizon) ** horizon)
    uncertainty = np.std(errors) / 20
    assert abs(np.mean(errors) - expected) < 4 * uncertainty < expected / 20


@pytest.mark.parametrize("horizon", [1, 5, 50, 400])
def test_the_subgradient_bound_holds_in_the_mean(horizon: int) -> None:
    """With noise on `MaxNorm`, E‖g‖² = 1 + σ². Three standard errors are granted."""
    problem = NoisySum(MaxNorm(8), 2 * np.vstack([np.eye(8), -np.eye(8)]))
    longest = math.sqrt(1 + problem.variance)
    rule = lipschitz(1, longest, horizon)
    errors = [
        problem.value(sgd(problem, problem.start, horizon, rule, rng(s), record_every=400).average)
        for s in range(20)
    ]
    bound = subgradient_bound(horizon, gradient_bound=longest, radius=1)
    assert np.mean(errors) - 3 * np.std(errors) / math.sqrt(20) <= bound


def noisy_errors(averaging: str, steps: int, rule: Any, *, last: bool = False) -> np.ndarray:
    """f - f* of 60 runs on 1/2 w² with a coin, from w_0 = 1."""
    runs = [
        sgd(COIN, np.ones(1), steps, rule, rng(s), averaging=averaging, record_every=steps)
        for s in range(60)
    ]
    return np.array([COIN.value(run.weights if last else run.average) for run in runs])


@pytest.mark.parametrize("steps", [1, 4, 30, 200])
def test_the_bound_of_the_weighted_average_holds(steps: int) -> None:
    """w stays within the convex hull of start and coins, so E‖g‖² <= 1 + 1."""
    errors = noisy_errors("rising", steps, weighted_inverse_time(1))
    assert errors.mean() <= weighted_average_bound(
        steps, gradient_bound=math.sqrt(2), strong_convexity=1
    )


def test_weights_of_the_rising_average_are_those_of_the_paper() -> None:
    """Lacoste-Julien et al.: 2/(T (T + 1)) Σ (t + 1) w_t over w_0 … w_{T-1}."""
    run = sgd(NOISY, NOISY.start, 6, 0.1, rng(), averaging="rising", keep_iterates=True)
    assert run.iterates is not None
    expected = 2 / 42 * np.arange(1, 7) @ run.iterates[:-1]
    np.testing.assert_allclose(run.average, expected, rtol=1e-13)
    planted = np.arange(6) @ run.iterates[:-1] / 15  # t in place of t + 1
    assert np.abs(run.average - planted).max() > 1e-3


def test_the_last_iterate_is_worse_than_the_average() -> None:
    """Planted: the last iterate. With 1/√t it has a floor of η/4; the average is far below."""
    rule = lipschitz(1, 1, 400)
    averaged = noisy_errors("equal", 400, rule).mean()
    last = noisy_errors("equal", 400, rule, last=True).mean()
    floor = stationary_variance(1 / 20) / 2
    assert last == pytest.approx(floor, rel=0.5)
    assert averaged < last / 3


def test_without_the_shift_a_noisy_run_blows_up() -> None:
    """Planted: 1/(μ t) with κ = 100. It comes back, as on paper, but not in this many steps."""
    problem = NoisySum(quadratic(100), np.array([[1.0, 1.0], [-1.0, -1.0]]))
    wrong = sgd(problem, problem.start, 90, inverse_time(1), rng())
    right = sgd(problem, problem.start, 90, weighted_inverse_time(1, shift=200), rng())
    assert wrong.values[-1] > 1e6 and right.values.max() < 1


def test_values_are_recorded_every_so_often_and_at_the_end() -> None:
    sparse = sgd(NOISY, NOISY.start, 11, 0.1, rng(), record_every=4)
    dense = sgd(NOISY, NOISY.start, 11, 0.1, rng())
    assert sparse.steps.tolist() == [0, 4, 8, 11]
    np.testing.assert_array_equal(sparse.values, dense.values[[0, 4, 8, 11]])
    np.testing.assert_array_equal(sparse.weights, dense.weights)
    np.testing.assert_array_equal(sparse.average, dense.average)


def test_the_same_seed_gives_the_same_run_and_another_another() -> None:
    runs = [sgd(NOISY, NOISY.start, 10, 0.1, rng(seed)).values.tolist() for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_divergence_stops_at_the_last_finite_iterate() -> None:
    run = sgd(NOISY, NOISY.start, 5000, 3.0, rng(), record_every=7)
    assert run.diverged_at is not None and run.diverged_at < 1000
    assert np.isfinite(run.weights).all() and np.isfinite(run.values).all()
    assert run.steps[-1] < run.diverged_at


def test_no_step_leaves_the_start() -> None:
    run = sgd(NOISY, NOISY.start, 0, 0.1, rng())
    np.testing.assert_array_equal(run.weights, NOISY.start)
    np.testing.assert_array_equal(run.average, NOISY.start)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 11}, "batch_size must be an integer in 1…10, got 11"),
        ({"sampling": "all"}, "sampling must be one of 'with_replacement', 'without_replacement'"),
        ({"averaging": "none"}, "averaging must be one of 'equal', 'rising', got 'none'"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0, got 0.0"),
        ({"num_steps": -1}, "num_steps must be an integer >= 0, got -1"),
        ({"record_every": 0}, "record_every must be an integer >= 1, got 0"),
        ({"start": np.zeros(2)}, r"start must have shape \(3,\), got \(2,\)"),
        ({"start": np.full(3, np.inf)}, "start must be finite and have a finite value"),
    ],
)
def test_bad_input_is_refused_before_anything_is_drawn(settings: Any, message: str) -> None:
    generator = rng()
    before = generator.bit_generator.state
    known = {"start": NOISY.start, "num_steps": 3, "learning_rate": 0.1, **settings}
    with pytest.raises(ValueError, match=message):
        sgd(NOISY, rng=generator, **known)
    assert generator.bit_generator.state == before


def test_a_step_without_a_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="learning_rate must be < 2 to have a limit, got 2"):
        stationary_variance(2)
    with pytest.raises(ValueError, match="variance must be finite and >= 0, got -1"):
        stationary_variance(1, -1)
