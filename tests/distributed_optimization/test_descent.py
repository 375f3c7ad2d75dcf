"""Full gradients: torch walks the same path, and the bounds hold at every step."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mlsys_lib.distributed_optimization.bounds import (
    accelerated_bound,
    accelerated_linear_bound,
    gradient_descent_bound,
    linear_bound,
    subgradient_bound,
)
from mlsys_lib.distributed_optimization.descent import accelerated, gradient_descent, subgradient
from mlsys_lib.distributed_optimization.kinks import MaxNorm
from mlsys_lib.distributed_optimization.step_sizes import constant, inverse_sqrt
from mlsys_lib.distributed_optimization.worst_cases import (
    Chain,
    Huber,
    Quadratic,
    huber_worst_case,
    quadratic,
)

BOWL = quadratic(100, 6, np.random.default_rng(5))
METHODS: dict[str, Callable[..., Any]] = {
    "gradient descent": gradient_descent,
    "accelerated": accelerated,
    "subgradient": lambda *args, **named: subgradient(*args, radius=1, gradient_bound=1, **named),
}
all_methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())

CONVEX = {
    "chain": Chain(41, smoothness=2.0),
    "flat quadratic": Quadratic(np.geomspace(1e-4, 1, 20)),
    **{f"huber {t}": huber_worst_case(t, 2, smoothness=3.0, radius=2.0) for t in (1, 7, 60)},
}
STRONGLY_CONVEX = {
    "bowl": BOWL,
    "round bowl": quadratic(1, 3),
    "chain": Chain(60, smoothness=50.0, strong_convexity=1.0),
}


def distance(problem: Any) -> float:
    return float(np.linalg.norm(problem.start - problem.minimizer))


def torch_path(optimizer: type, steps: int, **settings: Any) -> np.ndarray:
    """The iterates of a torch optimizer on `BOWL`."""
    hessian = torch.tensor(BOWL.hessian)
    weights = torch.tensor(BOWL.start, requires_grad=True)
    walk = optimizer([weights], **settings)
    path = [weights.detach().numpy().copy()]
    for _ in range(steps):
        walk.zero_grad()
        (0.5 * weights @ hessian @ weights).backward()
        walk.step()
        path.append(weights.detach().numpy().copy())
    return np.array(path)


def test_gradient_descent_is_torchs() -> None:
    run = gradient_descent(BOWL, BOWL.start, 50, 0.015, keep_iterates=True)
    assert run.iterates is not None
    np.testing.assert_allclose(run.iterates, torch_path(torch.optim.SGD, 50, lr=0.015), atol=1e-13)


def test_accelerated_is_torchs_up_to_a_change_of_variables() -> None:
    """Iterates of torch are where the momentum leads, y_t; ours follow by one gradient step."""
    root = math.sqrt(100)
    momentum, rate = (root - 1) / (root + 1), 1 / BOWL.smoothness
    ahead = torch_path(torch.optim.SGD, 50, lr=rate, momentum=momentum, nesterov=True)
    run = accelerated(BOWL, BOWL.start, 51, strong_convexity=1.0, keep_iterates=True)
    assert run.iterates is not None
    stepped = ahead - rate * ahead @ BOWL.hessian
    np.testing.assert_allclose(run.iterates[1:], stepped, atol=1e-13)
    wrong = ahead[1:]  # planted: the look-ahead points taken for the iterates
    assert np.abs(run.iterates[1:-1] - wrong).max() > 1e-2


def transcribed(problem: Any, steps: int, *, gradient_at_w: bool) -> np.ndarray:
    """Beck & Teboulle 2009, equations 4.1 to 4.3, with their names."""
    x = y = problem.start
    t, values = 1.0, [problem.value(problem.start)]
    for _ in range(steps):
        x_before = x
        x = y - problem.gradient(x if gradient_at_w else y) / problem.smoothness
        t_next = (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = x + (t - 1) / t_next * (x - x_before)
        t = t_next
        values.append(problem.value(x))
    return np.array(values)


@pytest.mark.parametrize("problem", CONVEX.values(), ids=CONVEX.keys())
def test_accelerated_is_the_method_of_the_paper(problem: Any) -> None:
    run = accelerated(problem, problem.start, 60, strong_convexity=0)
    np.testing.assert_allclose(
        run.values, transcribed(problem, 60, gradient_at_w=False), atol=1e-14
    )
    wrong = transcribed(problem, 60, gradient_at_w=True)
    if not isinstance(problem, Huber) or problem.threshold < 0.1:
        assert np.abs(run.values - wrong).max() > 1e-6


class Polygon:
    """A bowl with a flatter slope outside a polygon, on which the heavy ball goes round in circles.

    f(w) = L/2 ‖w‖² - (L - μ)/2 dist(w, polygon)², L = 1. The corners are placed so that the heavy
    ball steps along the roots of unity, for ever: after Goujaud, Taylor & Dieuleveut, "Provable
    non-accelerations of the heavy-ball method", 2023, arXiv:2307.11291. The plane is that of the
    complex numbers; a corner is p times a root.
    """

    num_features, smoothness, optimum = 2, 1.0, 0.0
    minimizer = np.zeros(2)

    def __init__(self, condition_number: float, num_corners: int) -> None:
        self.strong_convexity = 1 / condition_number
        root = math.sqrt(condition_number)
        self.momentum = (root - 1) / (root + 1)
        self.turn = np.exp(2j * np.pi / num_corners)
        gradient = (1 + self.momentum) - self.turn - self.momentum / self.turn  # at w = 1
        self.corner = (gradient - self.strong_convexity) / (1 - self.strong_convexity)
        self.sector = 2 * np.pi / num_corners
        self.start, self.before = np.array([1.0, 0.0]), np.array([1 / self.turn]).view(float)

    def _nearest(self, weights: np.ndarray) -> np.ndarray:
        """The point of the polygon nearest to w: turn it to the first side, and clip it there."""
        point = complex(*weights) / self.corner
        turned = self.turn ** np.floor(np.angle(point) / self.sector)
        point = point / turned
        side = (self.turn - 1) / abs(self.turn - 1)
        if (point * np.conj(side * -1j)).real <= (np.conj(side * -1j)).real:
            return weights
        along = np.clip(((point - 1) * np.conj(side)).real, 0, abs(self.turn - 1))
        return np.array([(1 + along * side) * turned * self.corner]).view(float)

    def value(self, weights: np.ndarray) -> float:
        outside = weights - self._nearest(weights)
        flatter = (1 - self.strong_convexity) / 2 * outside @ outside
        return float(0.5 * weights @ weights - flatter)

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        mu = self.strong_convexity
        return np.asarray(mu * weights + (1 - mu) * self._nearest(weights))


def test_the_gradient_must_be_taken_where_the_momentum_leads() -> None:
    """Planted: the gradient at w. From the same two points, f then never falls at all."""
    problem = Polygon(condition_number=400, num_corners=10)
    gaps = {}
    for gradient_at_w in (False, True):
        before, weights = problem.before, problem.start
        for _ in range(500):
            ahead = weights + problem.momentum * (weights - before)
            where = weights if gradient_at_w else ahead
            before, weights = weights, ahead - problem.gradient(where)
        gaps[gradient_at_w] = problem.value(weights)
    assert gaps[True] == pytest.approx(problem.value(problem.start), rel=1e-6)
    assert gaps[False] < 1e-12
    run = accelerated(problem, problem.start, 200)
    known = {"smoothness": 1, "strong_convexity": 1 / 400, "radius": 1, "gap": run.values[0]}
    assert all(run.values <= [accelerated_linear_bound(t, **known) for t in range(201)])


@pytest.mark.parametrize("problem", CONVEX.values(), ids=CONVEX.keys())
def test_the_smooth_bounds_hold_at_every_step(problem: Any) -> None:
    known = {"smoothness": problem.smoothness, "radius": distance(problem)}
    plain = gradient_descent(problem, problem.start, 200).values - problem.optimum
    fast = accelerated(problem, problem.start, 200, strong_convexity=0).values - problem.optimum
    for step in range(1, 201):
        assert plain[step] <= gradient_descent_bound(step, **known)
        assert fast[step] <= accelerated_bound(step, **known)
    assert all(np.diff(plain) <= 1e-15), "with 1/L it never goes up"


def test_acceleration_gains_what_the_rate_says() -> None:
    """Four times the steps: gradient descent gains a factor 4, the accelerated method 16.

    Each on the problem that is hard for it, grown with the steps: on a fixed one both do better.
    """
    plain, fast = [], []
    for steps in (50, 200):
        slope, chain = huber_worst_case(steps), Chain(2 * steps + 1)
        plain.append(gradient_descent(slope, slope.start, steps).values[-1])
        gap = accelerated(chain, chain.start, steps).values[-1] - chain.optimum
        fast.append(gap / distance(chain) ** 2)
        assert accelerated(slope, slope.start, steps).values[-1] < plain[-1] / 10
    assert plain[0] / plain[1] == pytest.approx(802 / 202)
    assert fast[0] / fast[1] == pytest.approx(16, rel=0.1)


@pytest.mark.parametrize("problem", STRONGLY_CONVEX.values(), ids=STRONGLY_CONVEX.keys())
def test_the_linear_bounds_hold_at_every_step(problem: Any) -> None:
    known = {
        "smoothness": problem.smoothness,
        "strong_convexity": problem.strong_convexity,
        "radius": distance(problem),
    }
    gap = problem.value(problem.start) - problem.optimum
    rate = 2 / (problem.smoothness + problem.strong_convexity)
    plain = gradient_descent(problem, problem.start, 300, rate).values - problem.optimum
    fast = accelerated(problem, problem.start, 300).values - problem.optimum
    for step in range(301):
        assert plain[step] <= linear_bound(step, **known) + 1e-14
        assert fast[step] <= accelerated_linear_bound(step, **known, gap=gap) + 1e-14


def test_the_contraction_is_the_reference_number() -> None:
    """κ = 100: each step of 2/(L + μ) leaves 0.98019802 of both ends of the spectrum."""
    problem = quadratic(100)
    run = gradient_descent(problem, problem.start, 30, 2 / 101, keep_iterates=True)
    assert run.iterates is not None
    lengths = np.linalg.norm(run.iterates, axis=1)
    np.testing.assert_allclose(lengths[1:] / lengths[:-1], 0.98019802, atol=5e-9)


def test_ascent_climbs() -> None:
    """Planted: the lost minus sign of the sheet (w + η ∇f)."""

    class Climbing(Quadratic):
        def gradient(self, weights: np.ndarray) -> np.ndarray:
            return -super().gradient(weights)

    wrong = Climbing(np.array([1.0, 4.0]))
    run = gradient_descent(wrong, wrong.start, 10)
    assert all(np.diff(run.values) > 0)
    assert run.values[1] > gradient_descent_bound(1, smoothness=4, radius=distance(wrong))


@pytest.mark.parametrize("factor", [1.0, 1.9])
def test_below_two_over_l_it_goes_down(factor: float) -> None:
    run = gradient_descent(BOWL, BOWL.start, 100, factor / BOWL.smoothness)
    assert all(np.diff(run.values) < 0)


@pytest.mark.parametrize("factor", [2.0, 2.5])
def test_a_step_of_two_over_l_is_no_step_of_one_over_l(factor: float) -> None:
    """Planted: L mixed up with L/2, as for a loss without its ½. The bound is broken."""
    run = gradient_descent(BOWL, BOWL.start, 100, factor / BOWL.smoothness)
    bound = gradient_descent_bound(100, smoothness=100, radius=distance(BOWL))
    assert run.values[-1] > run.values[0] / 7 > bound / 100
    single = Quadratic(np.array([100.0]))
    stuck = gradient_descent(single, single.start, 50, factor / 100).values
    assert stuck[-1] >= 0.5 - 1e-12 > gradient_descent_bound(50, smoothness=100, radius=0.1)


def test_the_subgradient_bound_holds_for_average_and_best() -> None:
    rng = np.random.default_rng(0)
    problem = MaxNorm(12, gradient_bound=2.0)
    for horizon in (1, 2, 3, 10, 50, 200):
        start = rng.normal(size=12)
        radius = float(np.linalg.norm(start))
        run = subgradient(problem, start, horizon, radius=radius, gradient_bound=2)
        bound = subgradient_bound(horizon, gradient_bound=2, radius=radius)
        assert problem.value(run.average) <= bound
        assert problem.value(run.best) <= bound
        assert problem.value(run.best) == run.values.min()


def test_the_average_is_of_the_points_where_gradients_were_taken() -> None:
    run = gradient_descent(BOWL, BOWL.start, 7, keep_iterates=True)
    assert run.iterates is not None and run.iterates.shape == (8, 6)
    np.testing.assert_allclose(run.average, run.iterates[:-1].mean(axis=0), rtol=1e-14)
    np.testing.assert_array_equal(run.weights, run.iterates[-1])
    assert run.values.tolist() == [BOWL.value(w) for w in run.iterates]
    assert run.steps.tolist() == list(range(8)) and not run.diverged


def test_a_number_is_the_constant_rule_and_no_number_is_one_over_l() -> None:
    paths = [
        gradient_descent(BOWL, BOWL.start, 5, rate).values.tolist()
        for rate in (None, 1 / BOWL.smoothness, constant(1 / BOWL.smoothness))
    ]
    assert paths[0] == paths[1] == paths[2]


def test_a_diminishing_step_gets_there_without_knowing_l() -> None:
    problem = quadratic(4)
    run = gradient_descent(problem, problem.start, 400, inverse_sqrt(1.0))
    assert run.values[:4].max() > 0.5 > 1e-6 > run.values[-1]  # 1 > 2/L at first


@all_methods
def test_no_step_leaves_everything_as_it_is(method: Callable[..., Any]) -> None:
    run = method(BOWL, BOWL.start, 0, keep_iterates=True)
    for point in (run.weights, run.average, run.best, run.iterates[0]):
        np.testing.assert_array_equal(point, BOWL.start)
    assert run.values.tolist() == [BOWL.value(BOWL.start)]


@all_methods
def test_at_the_minimum_it_stays(method: Callable[..., Any]) -> None:
    run = method(BOWL, BOWL.minimizer, 5)
    np.testing.assert_array_equal(run.weights, BOWL.minimizer)


@all_methods
def test_the_start_is_not_changed(method: Callable[..., Any]) -> None:
    start = BOWL.start.copy()
    run = method(BOWL, start, 3)
    np.testing.assert_array_equal(start, BOWL.start)
    assert not np.shares_memory(run.weights, start) and not np.shares_memory(run.best, start)


@pytest.mark.parametrize("method", [gradient_descent, accelerated])
def test_divergence_keeps_the_last_finite_iterate(method: Callable[..., Any]) -> None:
    run = method(BOWL, BOWL.start, 10_000, 1.0, keep_iterates=True)
    assert run.diverged and 10 < run.diverged_at < 1000
    assert len(run.values) == len(run.iterates) == run.diverged_at
    assert np.isfinite(run.weights).all() and np.isfinite(run.values).all()
    np.testing.assert_array_equal(run.weights, run.iterates[-1])
    np.testing.assert_array_equal(run.best, BOWL.start)


def test_a_gradient_that_is_not_finite_stops_the_run() -> None:
    class Broken(Quadratic):
        def gradient(self, weights: np.ndarray) -> np.ndarray:
            gradient = super().gradient(weights)
            gradient[0] = np.nan if abs(weights[0]) < 0.1 else gradient[0]
            return gradient

    broken = Broken(np.ones(2))
    run = gradient_descent(broken, broken.start, 100, 0.5)
    assert run.diverged_at == 4 and abs(run.weights[0]) < 0.1
    assert len(run.values) == 4


@all_methods
@pytest.mark.parametrize(
    ("start", "steps", "message"),
    [
        (np.zeros(5), 1, r"start must have shape \(6,\), got \(5,\)"),
        (np.full(6, np.nan), 1, "start must be finite and have a finite value, got"),
        (np.full(6, 1e200), 1, "start must be finite and have a finite value, got"),
        (np.zeros(6), -1, "num_steps must be an integer >= 0, got -1"),
    ],
)
def test_bad_input_is_refused(
    method: Callable[..., Any], start: np.ndarray, steps: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        method(BOWL, start, steps)


def test_bad_constants_are_refused() -> None:
    kinked = MaxNorm(3)
    for method in (gradient_descent, accelerated):
        with pytest.raises(ValueError, match="smoothness must be finite and > 0, got inf"):
            method(kinked, kinked.start, 1)
        with pytest.raises(ValueError, match="learning_rate must be finite and > 0, got -1"):
            method(BOWL, BOWL.start, 1, -1)
    with pytest.raises(ValueError, match="strong_convexity must be at most L = 100"):
        accelerated(BOWL, BOWL.start, 1, strong_convexity=101)
    with pytest.raises(ValueError, match="strong_convexity must be finite and >= 0, got -1"):
        accelerated(BOWL, BOWL.start, 1, strong_convexity=-1)
    with pytest.raises(ValueError, match="radius must be finite and > 0, got 0"):
        subgradient(BOWL, BOWL.start, 1, radius=0, gradient_bound=1)
    with pytest.raises(ValueError, match="gradient_bound must be finite and > 0, got inf"):
        subgradient(BOWL, BOWL.start, 1, radius=1, gradient_bound=math.inf)
