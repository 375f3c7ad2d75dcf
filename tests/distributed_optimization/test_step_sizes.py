"""Step-size rules: the first steps, counted by hand, and what the shift is for."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlsys_lib.distributed_optimization.descent import gradient_descent
from mlsys_lib.distributed_optimization.step_sizes import (
    StepSize,
    as_rule,
    constant,
    inverse_sqrt,
    inverse_time,
    lipschitz,
    one_over_smoothness,
    weighted_inverse_time,
)
from mlsys_lib.distributed_optimization.worst_cases import quadratic


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (constant(0.3), [0.3, 0.3, 0.3, 0.3]),
        (one_over_smoothness(4), [0.25, 0.25, 0.25, 0.25]),
        (lipschitz(6, 2, 9), [1, 1, 1, 1]),
        (inverse_sqrt(2), [2, math.sqrt(2), 2 / math.sqrt(3), 1]),
        (inverse_time(0.5), [2, 1, 2 / 3, 0.5]),
        (inverse_time(0.5, shift=3), [0.5, 0.4, 1 / 3, 2 / 7]),
        (weighted_inverse_time(2), [1 / 2, 1 / 3, 1 / 4, 1 / 5]),
        (weighted_inverse_time(2, shift=6), [1 / 6, 1 / 7, 1 / 8, 1 / 9]),
        (as_rule(0.7), [0.7, 0.7, 0.7, 0.7]),
    ],
)
def test_the_first_four_steps(rule: StepSize, expected: list[float]) -> None:
    assert [rule(step) for step in range(4)] == pytest.approx(expected, rel=1e-15)


def test_a_rule_stays_a_rule() -> None:
    rule = inverse_sqrt(1)
    assert as_rule(rule) is rule


def test_the_shift_makes_the_first_step_one_over_l() -> None:
    assert weighted_inverse_time(0.1, shift=2 * 50)(0) == pytest.approx(1 / 5)  # κ = 50, L = 5


def test_without_the_shift_the_first_steps_throw_the_iterate_away() -> None:
    """Planted: 1/(μ t) as printed. κ = 100 multiplies w by 99, 49, 32.3, …: 5 · 10^28 by t = 49."""
    problem = quadratic(100)
    printed = gradient_descent(problem, problem.start, 80, inverse_time(1)).values
    shifted = gradient_descent(problem, problem.start, 80, inverse_time(1, shift=99)).values
    assert printed.max() == pytest.approx(0.25 * math.comb(99, 49) ** 2) and printed[-1] > 1e39
    assert all(np.diff(shifted) < 0) and shifted[-1] < 0.1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: constant(-1), "learning_rate must be finite and > 0, got -1"),
        (lambda: as_rule(0), "learning_rate must be finite and > 0, got 0"),
        (lambda: one_over_smoothness(math.inf), "smoothness must be finite and > 0, got inf"),
        (lambda: lipschitz(1, 1, 0), "num_steps must be an integer >= 1, got 0"),
        (lambda: lipschitz(0, 1, 1), "radius must be finite and > 0, got 0"),
        (lambda: lipschitz(1, -2, 1), "gradient_bound must be finite and > 0, got -2"),
        (lambda: inverse_sqrt(math.nan), "scale must be finite and > 0, got nan"),
        (lambda: inverse_time(0), "strong_convexity must be finite and > 0, got 0"),
        (lambda: inverse_time(1, -1), "shift must be finite and >= 0, got -1"),
        (lambda: weighted_inverse_time(1, 0), "shift must be finite and > 0, got 0"),
    ],
)
def test_bad_steps_are_refused(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
