"""The convergence table: bounds hold, slopes are the exponents, and wrong methods are found out."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.distributed_optimization import bounds, experiments
from mlsys_lib.distributed_optimization.cell import Cell, Measurement
from mlsys_lib.distributed_optimization.descent import gradient_descent
from mlsys_lib.distributed_optimization.kinks import LastIterate
from mlsys_lib.distributed_optimization.noisy_sums import NoisySum
from mlsys_lib.distributed_optimization.rates import accelerated_cell, all_cells, fitted_slope
from mlsys_lib.distributed_optimization.step_sizes import inverse_time, lipschitz
from mlsys_lib.distributed_optimization.stochastic import sgd
from mlsys_lib.distributed_optimization.worst_cases import Chain, huber_worst_case

CELLS = {cell.name: cell for cell in (*all_cells(), accelerated_cell())}
# How far a slope may be from its exponent; with noise, over three deviations between seeds.
BANDS = {
    "Lipschitz, subgradient": 1e-9,
    "Lipschitz, SGD": 0.1,
    "smooth, gradient descent": 0.02,
    "smooth, SGD": 0.2,
    "strongly convex, SGD": 0.2,
    "smooth, accelerated": 0.03,
}
all_of_them = pytest.mark.parametrize("name", CELLS)


@pytest.fixture(scope="module")
def measured() -> dict[str, Measurement]:
    return {name: cell.measure() for name, cell in CELLS.items()}


def bound_is_kept(result: Measurement) -> bool:
    """At every step, with three standard errors granted to a mean over runs."""
    surely = result.mean_errors - 3 * result.standard_errors
    return bool((surely <= result.bounds * (1 + 1e-12)).all())


def test_the_table_has_six_cells_in_its_order() -> None:
    assert [cell.rate for cell in all_cells()] == ["1/ε²", "1/ε²", "1/ε", "1/ε²", "log 1/ε", "1/ε"]
    assert [cell.exponent for cell in all_cells()] == [2, 2, 1, 2, None, 1]
    assert ["SGD" in cell.name for cell in all_cells()] == [False, True] * 3


@all_of_them
def test_the_bound_holds_at_every_small_step(name: str) -> None:
    assert bound_is_kept(CELLS[name].measure(range(1, 41), seed=3))


@all_of_them
def test_the_bound_holds_far_out(name: str, measured: dict[str, Measurement]) -> None:
    assert bound_is_kept(measured[name])


@all_of_them
def test_the_bound_is_not_idle(name: str, measured: dict[str, Measurement]) -> None:
    """A bound that nothing comes near would pass any method: at some step it is within 12."""
    result = measured[name]
    assert (result.mean_errors / result.bounds).max() > 1 / 12


@pytest.mark.parametrize("name", BANDS)
def test_the_slope_is_the_exponent(name: str, measured: dict[str, Measurement]) -> None:
    result = measured[name]
    slope = fitted_slope(result.steps, result.mean_errors)
    assert slope == pytest.approx(CELLS[name].exponent, abs=BANDS[name])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", ["Lipschitz, SGD", "smooth, SGD", "strongly convex, SGD"])
def test_the_slope_does_not_hang_on_the_seed(name: str, seed: int) -> None:
    result = CELLS[name].measure(seed=seed)
    slope = fitted_slope(result.steps, result.mean_errors)
    assert slope == pytest.approx(CELLS[name].exponent, abs=BANDS[name])


def test_the_logarithmic_cell_takes_the_same_steps_for_each_digit() -> None:
    """κ = 4: each step leaves 0.6 of the distance, so a factor e in f takes 1/(2 log 5/3) steps."""
    result = CELLS["strongly convex, gradient descent"].measure(range(20, 60))
    steps_per_e = fitted_slope(result.steps, result.mean_errors, logarithmic=True)
    assert steps_per_e == pytest.approx(1 / (2 * math.log(5 / 3)), rel=0.02)
    # Exponential, not a power: the slope in the plot of powers falls the further one looks.
    slopes = [
        fitted_slope(result.steps[part], result.mean_errors[part])
        for part in (slice(0, 10), slice(30, 40))
    ]
    assert slopes[1] < 0.6 * slopes[0] < 0.06


def test_the_lipschitz_cell_meets_its_bound_with_equality() -> None:
    result = CELLS["Lipschitz, subgradient"].measure(range(1, 65))
    np.testing.assert_allclose(result.mean_errors, result.bounds, rtol=1e-12)


def test_the_smooth_cell_is_the_bound_that_cannot_be_improved() -> None:
    result = CELLS["smooth, gradient descent"].measure([1, 2, 3, 10, 100, 1000])
    expected = [bounds.huber_gap(int(step), smoothness=1, radius=1) for step in result.steps]
    np.testing.assert_allclose(result.mean_errors, expected, atol=1e-12, rtol=0)


def test_the_stochastic_lipschitz_cell_has_the_mean_that_is_known() -> None:
    result = CELLS["Lipschitz, SGD"].measure([1, 4, 32, 256], num_runs=60)
    expected = result.bounds * (1 - (1 - 1 / result.steps) ** result.steps)
    apart = np.abs(result.mean_errors - expected)
    assert all(apart <= 4 * result.standard_errors + 1e-12)
    assert all(result.standard_errors[1:] < expected[1:] / 20)


def test_the_accelerated_cell_stays_above_what_any_method_can() -> None:
    result = CELLS["smooth, accelerated"].measure()
    assert all(result.mean_errors >= 3 / (32 * (result.steps + 1) ** 2))


def last_of_many_planes(steps: Any, rng: np.random.Generator) -> np.ndarray:
    """Planted: the last iterate instead of the average."""
    errors = []
    for horizon in steps:
        problem = LastIterate(horizon)
        run = gradient_descent(problem, problem.start, horizon, lipschitz(1, 1, horizon))
        errors.append(run.values[-1] - problem.optimum)
    return np.array(errors)


def step_of_two_over_l(steps: Any, rng: np.random.Generator) -> np.ndarray:
    """Planted: 2/L, with the claim for 1/L, on a round bowl: it jumps from side to side."""
    errors = []
    for horizon in steps:
        problem = replace(huber_worst_case(horizon), threshold=2.0)
        errors.append(gradient_descent(problem, problem.start, horizon, 2.0).values[-1])
    return np.array(errors)


def ascent(steps: Any, rng: np.random.Generator) -> np.ndarray:
    """Planted: the lost minus sign."""
    problem = experiments.bowl()
    weights, values = problem.start, [problem.value(problem.start)]
    for _ in range(max(steps)):
        weights = weights + 2 / (problem.smoothness + 1) * problem.gradient(weights)
        values.append(problem.value(weights))
    return np.array(values)[list(steps)]


def no_momentum(steps: Any, rng: np.random.Generator) -> np.ndarray:
    """Planted: the gradient taken at w, and y never used. This is gradient descent."""
    errors = []
    for horizon in steps:
        problem = Chain(2 * horizon + 1)
        gap = gradient_descent(problem, problem.start, horizon).values[-1] - problem.optimum
        errors.append(gap / float(problem.minimizer @ problem.minimizer))
    return np.array(errors)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Lipschitz, subgradient", last_of_many_planes),
        ("smooth, gradient descent", step_of_two_over_l),
        ("strongly convex, gradient descent", ascent),
        ("smooth, accelerated", no_momentum),
    ],
)
def test_a_wrong_method_breaks_the_bound(name: str, wrong: Any) -> None:
    steps = [4, 16, 64, 256] if name != "strongly convex, gradient descent" else [1, 2, 3]
    planted = replace(CELLS[name], run=wrong)
    assert bound_is_kept(CELLS[name].measure(steps))
    assert not bound_is_kept(planted.measure(steps))


def test_a_constant_step_leaves_a_floor_above_the_strongly_convex_bound() -> None:
    """Planted: 1/L at every step. The error stays where it is, and the bound goes on falling."""
    cell = CELLS["strongly convex, SGD"]

    def constant_step(steps: Any, rng: np.random.Generator) -> np.ndarray:
        problem = NoisySum(experiments.bowl(), experiments.coins())
        run = sgd(problem, problem.start, max(steps), 1 / problem.smoothness, rng)
        return run.values[list(steps)]

    floored = replace(cell, run=constant_step).measure([128, 512, 1024])
    assert floored.mean_errors[2] > 3 * cell.bound(1024)
    assert floored.mean_errors == pytest.approx(floored.mean_errors[0], rel=0.3)
    assert bound_is_kept(cell.measure([128, 512, 1024]))


def test_without_the_shift_the_strongly_convex_cell_starts_with_a_jump() -> None:
    """Planted: 1/(μ t). κ = 4: the first step multiplies the steepest axis by -3."""
    problem = experiments.bowl()
    jump = gradient_descent(problem, problem.start, 1, inverse_time(1)).values[1]
    assert jump > CELLS["strongly convex, SGD"].bound(1)


def test_runs_differ_and_repeat() -> None:
    cell = CELLS["smooth, SGD"]
    first, again, other = (cell.measure([8, 16], num_runs=3, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.errors, again.errors)
    assert len(np.unique(first.errors)) == 6 and not np.isin(other.errors, first.errors).any()
    assert first.errors.shape == (3, 2) and first.standard_errors.shape == (2,)
    with pytest.raises(ValueError, match="num_runs must be an integer >= 2, got 1"):
        cell.measure([8], num_runs=1)  # of one run nobody knows how far it is from the mean


def test_what_is_not_random_runs_once() -> None:
    result = CELLS["smooth, gradient descent"].measure([3], num_runs=9)
    assert result.errors.shape == (1, 1) and result.standard_errors.tolist() == [0]


def test_the_slope_of_a_power_is_its_exponent() -> None:
    steps = np.array([1.0, 10, 100, 1000])
    for exponent in (0.5, 1, 2):
        assert fitted_slope(steps, 7 * steps ** (-1 / exponent)) == pytest.approx(exponent)
    assert fitted_slope(steps, 3 * np.exp(-steps / 50), logarithmic=True) == pytest.approx(50)
    swapped = fitted_slope(steps ** (-1 / 2), steps)  # planted: the axes exchanged
    assert swapped == pytest.approx(1 / 2) != 2


def test_the_bounds_by_hand() -> None:
    assert bounds.subgradient_bound(4, gradient_bound=3, radius=2) == 3
    assert bounds.gradient_descent_bound(4, smoothness=3, radius=2) == 1.5
    assert bounds.huber_gap(4, smoothness=3, radius=2) == pytest.approx(12 / 18)
    assert bounds.linear_bound(2, smoothness=3, strong_convexity=1, radius=2) == 6 / 16
    assert bounds.smooth_sgd_bound(4, smoothness=3, noise=5, radius=2) == 5 + 1.5
    assert bounds.accelerated_bound(3, smoothness=3, radius=2) == 1.5
    assert bounds.weighted_average_bound(3, gradient_bound=2, strong_convexity=4) == 0.5
    known = {"smoothness": 4, "strong_convexity": 1}
    assert bounds.accelerated_linear_bound(2, **known, radius=2, gap=3) == 5 / 4
    assert bounds.strongly_convex_sgd_bound(2, **known, noise=2, gap=3) == 3.2
    assert bounds.strongly_convex_sgd_bound(0, **known, noise=1, gap=3) == 3


def test_the_strongly_convex_bound_solves_its_recursion() -> None:
    """f falls by (1 - η μ) and the noise adds η² L σ²/2: the bound is above, step by step."""
    for kappa, noise, gap in itertools.product((1, 4, 50), (0.1, 3.0), (0.01, 10.0)):
        value = gap
        for step in range(300):
            known = {"smoothness": kappa, "strong_convexity": 1, "noise": noise, "gap": gap}
            assert value <= bounds.strongly_convex_sgd_bound(step, **known) * (1 + 1e-12)
            rate = 2 / (step + 2 * kappa)
            value = (1 - rate) * value + rate**2 * kappa * noise**2 / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": []}, "steps must not be empty"),
        ({"steps": [0, 1]}, "steps, which must rise, must be an integer >= 1, got 0"),
        ({"steps": [4, 4]}, "steps, which must rise, must be an integer >= 5, got 4"),
        ({"num_runs": 0}, "num_runs must be an integer >= 1, got 0"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
    ],
)
def test_bad_measurements_are_refused(arguments: Any, message: str) -> None:
    def never(steps: Any, rng: np.random.Generator) -> np.ndarray:
        raise AssertionError("it ran")

    cell = Cell("a", "b", "c", 1.0, 1, lambda step: 1.0, never)
    with pytest.raises(ValueError, match=message):
        cell.measure(**arguments)


@pytest.mark.parametrize(
    ("steps", "errors", "message"),
    [
        ([1], [1], r"must have one shape \(n,\), n >= 2, got \(1,\) and \(1,\)"),
        ([1, 2], [1], r"must have one shape \(n,\), n >= 2, got \(2,\) and \(1,\)"),
        ([0, 1], [1, 2], "iterations must be finite and > 0, got"),
        ([1, 2], [1, 0], "epsilons must be finite and > 0, got"),
        ([1, 2], [1, math.nan], "epsilons must be finite and > 0, got"),
        ([1, 2], [3, 3], "epsilons must differ to have a slope, got"),
    ],
)
def test_points_without_a_slope_are_refused(steps: Any, errors: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted_slope(np.array(steps), np.array(errors))
