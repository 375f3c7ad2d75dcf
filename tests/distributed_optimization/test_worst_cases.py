"""The problems are what they claim: gradients, constants, minima, and the lower bounds."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from mlsys_lib.distributed_optimization.descent import accelerated, gradient_descent
from mlsys_lib.distributed_optimization.worst_cases import (
    Chain,
    Huber,
    Quadratic,
    huber_worst_case,
    quadratic,
)

SMOOTH = {
    "quadratic": lambda: quadratic(50, 4),
    "rotated": lambda: quadratic(50, 4, np.random.default_rng(1)),
    "flat direction": lambda: Quadratic(np.array([0.0, 2.0])),
    "chain": lambda: Chain(9, smoothness=3.0),
    "chain of one": lambda: Chain(1),
    "strongly convex chain": lambda: Chain(9, smoothness=20.0, strong_convexity=0.5),
    "huber": lambda: Huber(0.3, num_features=3, smoothness=2.0, radius=2.0),
    "huber worst case": lambda: huber_worst_case(4, 2, smoothness=2.0, radius=3.0),
}


@pytest.fixture(params=list(SMOOTH))
def problem(request: pytest.FixtureRequest) -> Any:
    return SMOOTH[request.param]()


def points(problem: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    drawn = [scale * rng.normal(size=problem.num_features) for scale in (0.01, 1, 1, 10)]
    return [problem.start, problem.minimizer, *drawn]


def test_the_gradient_is_the_slope_of_the_value(problem: Any) -> None:
    for point in points(problem):
        step = 1e-6
        axes = np.eye(problem.num_features) * step
        slope = [(problem.value(point + e) - problem.value(point - e)) / (2 * step) for e in axes]
        scale = 1 + abs(problem.value(point))
        np.testing.assert_allclose(problem.gradient(point), slope, atol=1e-8 * scale, rtol=1e-5)


def test_the_minimum_is_where_and_what_it_is_said_to_be(problem: Any) -> None:
    scale = problem.smoothness * max(1.0, float(np.linalg.norm(problem.minimizer)))
    assert np.abs(problem.gradient(problem.minimizer)).max() <= 1e-14 * scale
    assert problem.value(problem.minimizer) == pytest.approx(problem.optimum, abs=1e-14 * scale)
    assert all(problem.value(point) >= problem.optimum - 1e-14 for point in points(problem))


def test_smoothness_and_strong_convexity_bound_the_slope_of_the_gradient(problem: Any) -> None:
    """μ ‖x - y‖² <= (∇f(x) - ∇f(y))·(x - y) <= L ‖x - y‖², for all pairs."""
    for x in points(problem):
        for y in points(problem):
            apart = x - y
            rise = (problem.gradient(x) - problem.gradient(y)) @ apart
            assert problem.strong_convexity * apart @ apart - 1e-9 <= rise
            assert rise <= problem.smoothness * apart @ apart + 1e-9


def test_a_rotation_keeps_the_eigenvalues() -> None:
    turned = quadratic(100, 5, np.random.default_rng(3))
    np.testing.assert_allclose(np.linalg.eigvalsh(turned.hessian), np.geomspace(1, 100, 5))
    assert (turned.smoothness, turned.strong_convexity) == pytest.approx((100, 1))
    assert not np.allclose(turned.hessian, np.diag(np.diag(turned.hessian)))
    assert turned.value(turned.start) == pytest.approx(0.5)


def test_huber_is_torchs() -> None:
    """torch.nn.functional.huber_loss is ours in one dimension with L = 1."""
    ours = Huber(0.7)
    for x in (-3.0, -0.7, -0.2, 0.0, 0.5, 0.7, 2.0):
        theirs = torch.nn.functional.huber_loss(
            torch.tensor([x], dtype=torch.float64), torch.zeros(1, dtype=torch.float64), delta=0.7
        )
        assert ours.value(np.array([x])) == pytest.approx(float(theirs), abs=1e-15)


def test_chain_is_the_matrix_of_the_book() -> None:
    chain = Chain(6, smoothness=8.0, strong_convexity=0.5)
    matrix = 2 * np.eye(6) - np.eye(6, k=1) - np.eye(6, k=-1)
    matrix[5, 5] = 2 - chain.ratio
    hessian = (8 - 0.5) / 4 * matrix + 0.5 * np.eye(6)
    linear = np.zeros(6)
    linear[0] = (8 - 0.5) / 4
    np.testing.assert_allclose(chain.minimizer, np.linalg.solve(hessian, linear), rtol=1e-12)
    root = math.sqrt(8 / 0.5)
    np.testing.assert_allclose(chain.minimizer[1:], chain.minimizer[:-1] * (root - 1) / (root + 1))


def test_the_minimum_of_the_convex_chain_is_the_one_in_the_book() -> None:
    """Nesterov 2004, section 2.1.2: f* = L/8 (1/(d + 1) - 1) and ‖w*‖² <= (d + 1)/3."""
    for size in (1, 2, 7, 40):
        chain = Chain(size, smoothness=3.0)
        assert chain.optimum == pytest.approx(3 / 8 * (1 / (size + 1) - 1), rel=1e-14)
        assert chain.minimizer @ chain.minimizer <= (size + 1) / 3


def conjugate_gradients(hessian: np.ndarray, linear: np.ndarray, steps: int) -> np.ndarray:
    """The minimizer over the Krylov space of `steps` gradients: no method does better."""
    basis = [linear]
    for _ in range(steps - 1):
        basis.append(hessian @ basis[-1])
    directions = np.linalg.qr(np.array(basis).T)[0]
    small = directions.T @ hessian @ directions
    return directions @ np.linalg.solve(small, directions.T @ linear)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_the_best_of_all_methods_meets_the_lower_bound_of_the_chain(step: int) -> None:
    chain = Chain(11, smoothness=2.0)
    hessian = np.array([chain.gradient(e) - chain.gradient(0 * e) for e in np.eye(11)])
    best = conjugate_gradients(hessian, -chain.gradient(np.zeros(11)), step)
    assert chain.value(best) - chain.optimum == pytest.approx(chain.lower_bound(step), rel=1e-9)
    if step == 5:  # d = 2t + 1
        distance = chain.minimizer @ chain.minimizer
        assert chain.lower_bound(step) >= 3 * 2 * distance / (32 * (step + 1) ** 2)


@pytest.mark.parametrize("method", [gradient_descent, accelerated])
@pytest.mark.parametrize("mu", [0.0, 0.02])
def test_no_method_of_ours_is_below_the_lower_bound(method: Any, mu: float) -> None:
    chain = Chain(30, strong_convexity=mu)
    run = method(chain, chain.start, 40)
    bounds = [chain.lower_bound(step) for step in run.steps]
    assert bounds[29] > 0 == bounds[30]
    assert all(run.values - chain.optimum >= bounds)


def test_t_gradients_see_t_coordinates() -> None:
    chain = Chain(8)
    run = gradient_descent(chain, chain.start, 5, keep_iterates=True)
    assert run.iterates is not None
    assert [int(np.count_nonzero(w)) for w in run.iterates] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("horizon", [1, 2, 10, 137])
@pytest.mark.parametrize("size", [1, 3])
def test_gradient_descent_on_huber_is_as_slow_as_theory_allows(horizon: int, size: int) -> None:
    problem = huber_worst_case(horizon, size, smoothness=3.0, radius=2.0)
    run = gradient_descent(problem, problem.start, horizon)
    assert abs(run.values[-1] - 3.0 * 2.0**2 / (4 * horizon + 2)) <= 1e-12
    assert np.linalg.norm(run.weights) > problem.threshold


def test_the_reference_numbers_of_huber() -> None:
    gaps = []
    for horizon in (1, 10):
        problem = huber_worst_case(horizon)
        gaps.append(round(float(gradient_descent(problem, problem.start, horizon).values[-1]), 7))
    assert gaps == [0.1666667, 0.0238095]


def test_another_threshold_is_less_bad() -> None:
    """Planted: R_w / (2T - 1) or R_w / (2T + 3) in place of R_w / (2T + 1)."""
    for wrong in (1 / 19, 1 / 23):
        problem = Huber(wrong)
        assert gradient_descent(problem, problem.start, 10).values[-1] < 1 / 42 - 1e-6


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Quadratic(np.ones((2, 2))), r"eigenvalues must have shape \(d,\), d >= 1, got"),
        (lambda: Quadratic(np.array([])), r"eigenvalues must have shape \(d,\), d >= 1, got \(0,"),
        (lambda: Quadratic(np.array([-1.0, 1.0])), "eigenvalues must be finite, >= 0 and not all"),
        (lambda: Quadratic(np.zeros(2)), "eigenvalues must be finite, >= 0 and not all 0, got"),
        (lambda: Quadratic(np.array([np.nan])), "eigenvalues must be finite, >= 0 and not all 0"),
        (lambda: quadratic(0.5), "condition_number must be >= 1, got 0.5"),
        (lambda: quadratic(2, 1), "num_features must be >= 2 to have two ends, got 1"),
        (lambda: Chain(0), "num_features must be an integer >= 1, got 0"),
        (lambda: Chain(3, 1.0, 1.0), r"strong_convexity must be in \[0, smoothness=1.0\), got 1"),
        (lambda: Chain(3, 1.0, math.nan), r"strong_convexity must be in \[0, smoothness=1.0\)"),
        (lambda: Chain(3, math.inf), "smoothness must be finite and > 0, got inf"),
        (lambda: Huber(0.0), "threshold must be finite and > 0, got 0"),
        (lambda: huber_worst_case(0), "horizon must be an integer >= 1, got 0"),
        (lambda: huber_worst_case(1, radius=-1), "radius must be finite and > 0, got -1"),
    ],
)
def test_impossible_problems_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
