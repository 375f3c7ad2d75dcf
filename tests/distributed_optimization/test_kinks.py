"""Problems with kinks: subgradients are subgradients, and the bounds are met with equality."""

import math
from typing import Any

import numpy as np
import pytest

from mlsys_lib.distributed_optimization.descent import subgradient
from mlsys_lib.distributed_optimization.kinks import LastIterate, MaxNorm
from mlsys_lib.distributed_optimization.noisy_sums import AbsoluteSum

KINKED = {
    "max norm": lambda: MaxNorm(5, gradient_bound=3.0, radius=2.0),
    "max norm of one": lambda: MaxNorm(1),
    "last iterate": lambda: LastIterate(6, radius=2.0),
    "shortest last iterate": lambda: LastIterate(2),
    "absolute sum": lambda: AbsoluteSum(4, gradient_bound=3.0, radius=2.0),
}


@pytest.fixture(params=list(KINKED))
def problem(request: pytest.FixtureRequest) -> Any:
    return KINKED[request.param]()


def points(problem: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    drawn = [scale * rng.normal(size=problem.num_features) for scale in (0.1, 1, 1, 1, 10)]
    return [problem.start, problem.minimizer, *drawn]


def test_a_plane_along_the_subgradient_lies_below_the_function(problem: Any) -> None:
    for x in points(problem):
        for y in points(problem):
            plane = problem.value(x) + problem.gradient(x) @ (y - x)
            assert plane <= problem.value(y) + 1e-12


def test_no_subgradient_is_longer_than_its_bound(problem: Any) -> None:
    longest = max(float(np.linalg.norm(problem.gradient(x))) for x in points(problem))
    assert longest <= problem.gradient_bound + 1e-12


def test_the_minimum_is_where_and_what_it_is_said_to_be(problem: Any) -> None:
    assert problem.value(problem.minimizer) == pytest.approx(problem.optimum, abs=1e-15)
    assert all(problem.value(point) >= problem.optimum for point in points(problem))
    assert np.linalg.norm(problem.start - problem.minimizer) == pytest.approx(problem.radius)
    assert problem.smoothness == math.inf


def solve(problem: Any, horizon: int) -> Any:
    return subgradient(
        problem,
        problem.start,
        horizon,
        radius=problem.radius,
        gradient_bound=problem.gradient_bound,
        keep_iterates=True,
    )


@pytest.mark.parametrize("horizon", [1, 2, 5, 64])
def test_the_average_on_the_max_norm_meets_the_bound_with_equality(horizon: int) -> None:
    problem = MaxNorm(horizon, gradient_bound=3.0, radius=2.0)
    run = solve(problem, horizon)
    bound = 2 * 3 / math.sqrt(horizon)
    assert problem.value(run.average) == pytest.approx(bound, rel=1e-12)
    np.testing.assert_allclose(run.values[:-1], bound, rtol=1e-12)
    # The last coordinate falls with the last step, which the average does not count.
    assert run.values[-1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("horizon", [2, 3, 10, 100, 300])
def test_the_bound_is_not_one_for_the_last_iterate(horizon: int) -> None:
    """Planted: the last iterate in place of the average or the best one."""
    problem = LastIterate(horizon)
    run, bound = solve(problem, horizon), 1 / math.sqrt(horizon)
    assert problem.value(run.average) - problem.optimum <= bound
    assert problem.value(run.best) - problem.optimum <= bound
    assert problem.value(run.weights) - problem.optimum > (0.9 + math.log(horizon) / 4) * bound


def test_the_factor_of_the_last_iterate_is_the_one_in_the_docstring() -> None:
    gaps = []
    for horizon in (10, 100, 400):
        problem = LastIterate(horizon)
        gaps.append((solve(problem, horizon).values[-1] - problem.optimum) * math.sqrt(horizon))
    assert np.round(gaps, 1).tolist() == [1.5, 2.1, 2.5]


def test_each_step_meets_the_next_plane() -> None:
    problem = LastIterate(20)
    run = solve(problem, 20)
    met = [int(np.flatnonzero((problem.planes == problem.gradient(w)).all(1))[0])
           for w in run.iterates[:-1]]  # fmt: skip
    assert met == list(range(20))
    np.testing.assert_allclose(np.linalg.norm(problem.planes, axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MaxNorm(0), "num_features must be an integer >= 1, got 0"),
        (lambda: MaxNorm(2, gradient_bound=0), "gradient_bound must be finite and > 0, got 0"),
        (lambda: MaxNorm(2, radius=math.inf), "radius must be finite and > 0, got inf"),
        (lambda: LastIterate(1), "horizon must be an integer >= 2, got 1"),
        (lambda: LastIterate(3, radius=-2), "radius must be finite and > 0, got -2"),
    ],
)
def test_impossible_problems_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
