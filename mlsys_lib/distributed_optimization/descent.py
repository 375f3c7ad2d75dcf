"""Descent along full gradients: gradient descent, the subgradient method, and Nesterov's.

    w_{t+1} = w_t - η_t ∇f(w_t)

The minus sign is lost on many slides; without it this climbs. Cauchy, "Méthode générale pour la
résolution des systèmes d'équations simultanées", 1847. What a method returns is a `Descent`: the
last iterate, the best one, the average, and f along the way.

>>> from mlsys_lib.distributed_optimization.worst_cases import quadratic
>>> bowl = quadratic(condition_number=100)
>>> gradient_descent(bowl, bowl.start, 200).values[[0, 100, 200]].round(4).tolist()
[0.5, 0.0335, 0.0045]
>>> accelerated(bowl, bowl.start, 200).values[[0, 100, 200]].round(6).tolist()
[0.5, 0.0, 0.0]
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from mlsys_lib.core.validate import integer, non_negative, positive
from mlsys_lib.distributed_optimization.objective import ConvexFunction
from mlsys_lib.distributed_optimization.step_sizes import (
    StepSize,
    as_rule,
    lipschitz,
    one_over_smoothness,
)
from mlsys_lib.distributed_optimization.trace import Descent, Trace, run


def gradient_descent(
    objective: ConvexFunction,
    start: np.ndarray,
    num_steps: int,
    learning_rate: float | StepSize | None = None,
    *,
    keep_iterates: bool = False,
) -> Descent:
    """Step against the gradient.

    Parameters
    ----------
    objective : ConvexFunction
    start : ndarray of shape (k,)
        w_0, finite. Not modified.
    num_steps : int
        T >= 0.
    learning_rate : float, or rule from `step_sizes`; optional
        η. Without it 1/L, the step of the bound L R_w² / (2t); from 2/L on it can diverge.
    keep_iterates : bool
        Whether to keep all T + 1 iterates: 8 k (T + 1) bytes.

    Returns
    -------
    Descent
        Cut short, and with `diverged_at`, where w or f(w) stops being finite.

    Raises
    ------
    ValueError
        If the start is not finite or has the wrong shape, if a step is not positive, or if L is
        needed and not finite.

    Notes
    -----
    T gradients and T + 1 values, of n k operations each for a sum of n examples. Where the
    objective has a kink, `gradient` gives a subgradient, and this is the subgradient method.
    """
    rule = _rule(objective, learning_rate)
    trace = Trace(objective, start, num_steps, keep_iterates=keep_iterates)
    return run(trace, lambda step, w: w - rule(step) * objective.gradient(w))


def subgradient(
    objective: ConvexFunction,
    start: np.ndarray,
    num_steps: int,
    *,
    radius: float,
    gradient_bound: float,
    keep_iterates: bool = False,
) -> Descent:
    """Step R_w / (G √T) against a subgradient, T times.

    Shor, "Minimization methods for non-differentiable functions", 1985,
    doi:10.1007/978-3-642-82118-9; the bound is Bubeck 2015, theorem 3.2: f(`average`) - f* and
    f(`best`) - f* are at most R_w G / √T. For `weights`, the last iterate, no such bound holds.

    Parameters
    ----------
    objective, start, num_steps, keep_iterates
        As in `gradient_descent`.
    radius : float
        R_w, at least ‖w_0 - w*‖.
    gradient_bound : float
        G: no subgradient is longer.
    """
    steps = integer("num_steps", num_steps, 0)
    rule = lipschitz(radius, gradient_bound, max(steps, 1))
    return gradient_descent(objective, start, steps, rule, keep_iterates=keep_iterates)


def accelerated(
    objective: ConvexFunction,
    start: np.ndarray,
    num_steps: int,
    learning_rate: float | StepSize | None = None,
    *,
    strong_convexity: float | None = None,
    keep_iterates: bool = False,
) -> Descent:
    """Nesterov's method: take the gradient where the momentum leads, not where w is.

        y_t = w_t + δ_t (w_t - w_{t-1}),    w_{t+1} = y_t - η ∇f(y_t)

    Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)",
    Soviet Mathematics Doklady 27(2), 1983; in the form of Beck & Teboulle, SIAM Journal on Imaging
    Sciences 2(1), 2009, doi:10.1137/080716542, section 4, without their second function.

    Parameters
    ----------
    objective, start, num_steps, learning_rate, keep_iterates
        As in `gradient_descent`. The bounds want 1/L.
    strong_convexity : float, optional
        μ; without it the objective's own. If it is 0, δ_t = (s_t - 1)/s_{t+1} with s_0 = 1 and
        s_{t+1} = (1 + √(1 + 4 s_t²))/2, for f - f* <= 2 L R_w² / (t + 1)². Else
        δ = (√κ - 1)/(√κ + 1), for f - f* <= (1 - 1/√κ)^t (f_0 - f* + μ/2 R_w²)
        (Nesterov 2004, theorem 2.2.1).

    Notes
    -----
    As costly as gradient descent, plus one more vector of k. f need not fall at each step.
    `Descent.average` averages w, which has no part in the bounds.
    """
    smoothness = positive("smoothness", objective.smoothness)
    mu = objective.strong_convexity if strong_convexity is None else strong_convexity
    if non_negative("strong_convexity", mu) > smoothness:
        raise ValueError(f"strong_convexity must be at most L = {smoothness}, got {mu!r}")
    rule = _rule(objective, learning_rate)
    momenta = _momenta(smoothness, mu)
    trace = Trace(objective, start, num_steps, keep_iterates=keep_iterates)
    previous = trace.weights

    def move(step: int, weights: np.ndarray) -> np.ndarray:
        nonlocal previous
        ahead = weights + next(momenta) * (weights - previous)
        previous = weights
        return ahead - rule(step) * objective.gradient(ahead)

    return run(trace, move)


def _rule(objective: ConvexFunction, learning_rate: float | StepSize | None) -> StepSize:
    if learning_rate is None:
        return one_over_smoothness(objective.smoothness)
    return as_rule(learning_rate)


def _momenta(smoothness: float, strong_convexity: float) -> Iterator[float]:
    """Yield δ_0, δ_1, …."""
    if strong_convexity > 0:
        root = math.sqrt(smoothness / strong_convexity)
        yield from itertools.repeat((root - 1) / (root + 1))
    yield 0.0  # at step 0 there is no w_{-1}
    now = 1.0
    while True:
        after = (1 + math.sqrt(1 + 4 * now**2)) / 2
        yield (now - 1) / after
        now = after
