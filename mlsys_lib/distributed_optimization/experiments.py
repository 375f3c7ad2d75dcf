"""The runs behind the convergence table: for each cell, f - f* after given numbers of steps.

L, G and R_w are 1 in the first two rows; the last row has μ = 1 and κ = L = `CONDITION`. The noise
has variance `NOISE`².

>>> huber_errors([1, 10], np.random.default_rng(0)).round(6).tolist()
[0.166667, 0.02381]
"""

import math
from collections.abc import Sequence

import numpy as np

from mlsys_lib.distributed_optimization.descent import accelerated, gradient_descent, subgradient
from mlsys_lib.distributed_optimization.kinks import MaxNorm
from mlsys_lib.distributed_optimization.noisy_sums import AbsoluteSum, NoisySum
from mlsys_lib.distributed_optimization.step_sizes import lipschitz, weighted_inverse_time
from mlsys_lib.distributed_optimization.stochastic import sgd
from mlsys_lib.distributed_optimization.worst_cases import (
    Chain,
    Huber,
    Quadratic,
    huber_worst_case,
)

NOISE = 1.0
CONDITION = 4.0
NUM_FEATURES = 64  # of problems with noise: one run is then nearly the mean of all


def subgradient_errors(steps: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return the error of the average of T iterates on `MaxNorm` with d = T, for each T."""
    errors = []
    for horizon in steps:
        problem = MaxNorm(horizon)
        run = subgradient(problem, problem.start, horizon, radius=1, gradient_bound=1)
        errors.append(problem.value(run.average))
    return np.array(errors)


def stochastic_subgradient_errors(steps: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return the error of the average of T iterates on `AbsoluteSum` with d = T, for each T."""
    errors = []
    for horizon in steps:
        problem, rule = AbsoluteSum(horizon), lipschitz(1, 1, horizon)
        run = sgd(problem, problem.start, horizon, rule, rng, record_every=horizon)
        errors.append(problem.value(run.average))
    return np.array(errors)


def huber_errors(steps: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return the error of the last of T steps on the `huber_worst_case` of T, for each T."""
    errors = []
    for horizon in steps:
        problem = huber_worst_case(horizon)
        errors.append(gradient_descent(problem, problem.start, horizon).values[-1])
    return np.array(errors)


def smooth_sgd_errors(steps: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return the error of the average of w_1 … w_T on a slope too flat to see in the noise.

    The slope is σ / (2 √T): in T steps it brings w half of the way to 0, and the noise moves it as
    far as that, so that nobody can tell on which side 0 lies.
    """
    errors = []
    for horizon in steps:
        root = math.sqrt(horizon)
        slope = Huber(threshold=NOISE / (2 * root), num_features=NUM_FEATURES)
        problem = NoisySum(slope, coins())
        rate = 1 / (problem.smoothness + NOISE * root)
        run = sgd(problem, problem.start, horizon, rate, rng, record_every=horizon)
        average = run.average + (run.weights - problem.start) / horizon  # not w_0, but w_T
        errors.append(problem.value(average))
    return np.array(errors)


def linear_errors(steps: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return the errors along one run of gradient descent on `bowl`."""
    problem = bowl()
    rate = 2 / (problem.smoothness + problem.strong_convexity)
    return gradient_descent(problem, problem.start, max(steps), rate).values[list(steps)]


def strongly_convex_sgd_errors(steps: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return the errors along one run on `bowl` with the noise of `coins`."""
    problem = NoisySum(bowl(), coins())
    rule = weighted_inverse_time(problem.strong_convexity, shift=2 * CONDITION)
    last = max(steps)
    run = sgd(problem, problem.start, last, rule, rng, record_every=last, keep_iterates=True)
    assert run.iterates is not None
    return np.array([problem.value(run.iterates[step]) for step in steps])


def accelerated_errors(steps: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return the error of the last iterate on a `Chain` of d = 2T + 1, each scaled to R_w = 1."""
    errors = []
    for horizon in steps:
        problem = Chain(2 * horizon + 1)
        gap = accelerated(problem, problem.start, horizon).values[-1] - problem.optimum
        errors.append(gap / float(problem.minimizer @ problem.minimizer))
    return np.array(errors)


def bowl() -> Quadratic:
    """Return the quadratic of the last row: μ = 1, L = `CONDITION`, f(w_0) = 1/2."""
    return Quadratic(np.geomspace(1, CONDITION, NUM_FEATURES))


def coins() -> np.ndarray:
    """Return noise of variance `NOISE`²: an example pulls along one axis, one way or other."""
    axes = NOISE * np.eye(NUM_FEATURES)
    return np.vstack([axes, -axes])
