"""Sums over examples: the mean over all of them is the objective they are said to make."""

import math
from typing import Any

import numpy as np
import pytest

from mlsys_lib.distributed_optimization.noisy_sums import AbsoluteSum, NoisySum
from mlsys_lib.distributed_optimization.worst_cases import quadratic

SUMS = {
    "noisy": lambda: NoisySum(quadratic(3, 2), np.random.default_rng(0).normal(size=(5, 2)) + 7),
    "one example": lambda: NoisySum(quadratic(3, 2), np.ones((1, 2))),
    "absolute": lambda: AbsoluteSum(4, gradient_bound=3.0, radius=2.0),
    "absolute of one": lambda: AbsoluteSum(1),
}


@pytest.fixture(params=list(SUMS))
def problem(request: pytest.FixtureRequest) -> Any:
    return SUMS[request.param]()


def test_gradients_of_single_examples_average_to_the_whole(problem: Any) -> None:
    rng = np.random.default_rng(0)
    rows = np.arange(problem.num_examples)
    for point in (problem.start, problem.minimizer, rng.normal(size=problem.num_features)):
        whole = problem.gradient(point)
        single = [problem.batch_gradient(point, rows[j : j + 1]) for j in rows]
        np.testing.assert_allclose(np.mean(single, axis=0), whole, atol=1e-14)
        np.testing.assert_allclose(problem.batch_gradient(point, rows), whole, atol=1e-14)


def test_a_repeated_example_counts_twice(problem: Any) -> None:
    rows = np.array([0, 0, problem.num_examples - 1])
    point = np.random.default_rng(1).normal(size=problem.num_features)
    parts = [problem.batch_gradient(point, rows[j : j + 1]) for j in range(3)]
    np.testing.assert_allclose(
        problem.batch_gradient(point, rows), np.mean(parts, axis=0), atol=1e-14
    )


def test_noise_keeps_the_minimum_and_has_the_variance_it_says() -> None:
    base = quadratic(3, 2)
    problem = NoisySum(base, np.array([[3.0, 4.0], [-3.0, -4.0]]))
    assert problem.variance == 25
    assert (problem.optimum, problem.smoothness, problem.strong_convexity) == (0, 3, 1)
    np.testing.assert_array_equal(problem.gradient(problem.minimizer), 0)
    assert problem.value(problem.start) == base.value(base.start)
    assert NoisySum(base, np.array([[5.0, 5.0]])).variance == 0  # one example is the sum itself


def test_no_gradient_of_an_absolute_example_is_longer_than_its_bound() -> None:
    problem = AbsoluteSum(6, gradient_bound=3.0)
    lengths = [
        np.linalg.norm(problem.batch_gradient(problem.start, np.array([j]))) for j in range(6)
    ]
    assert lengths == [3.0] * 6


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (np.zeros(2), r"noise must have shape \(n, 2\), n >= 1, got \(2,\)"),
        (np.zeros((0, 2)), r"noise must have shape \(n, 2\), n >= 1, got \(0, 2\)"),
        (np.zeros((3, 3)), r"noise must have shape \(n, 2\), n >= 1, got \(3, 3\)"),
        (np.array([[np.inf, 0.0]]), "noise must be finite"),
    ],
)
def test_bad_noise_is_refused(noise: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NoisySum(quadratic(2), noise)


def test_impossible_sums_are_refused() -> None:
    with pytest.raises(ValueError, match="num_features must be an integer >= 1, got 0"):
        AbsoluteSum(0)
    with pytest.raises(ValueError, match="gradient_bound must be finite and > 0, got nan"):
        AbsoluteSum(1, gradient_bound=math.nan)
