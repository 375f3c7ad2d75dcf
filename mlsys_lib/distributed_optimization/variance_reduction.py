"""SVRG and SAGA: stochastic steps whose noise goes to zero, so a constant step reaches the minimum.

    g = ∇f_j(w) - (what example j's gradient was) + (the mean of what they all were)

The mean over j is ∇f(w), whatever was remembered, and near the minimum both differences vanish.
SVRG remembers a point (Johnson & Zhang, "Accelerating stochastic gradient descent using predictive
variance reduction", NIPS 2013), SAGA a gradient of each example (Defazio, Bach & Lacoste-Julien,
"SAGA: a fast incremental gradient method with support for non-strongly convex composite
objectives", NIPS 2014, arXiv:1407.0202; ours has no second function h).

Both want L_max, the smoothness of the roughest *example*, which is larger than that of their mean.

| method | memory besides data and w | gradients of examples |
| --- | --- | --- |
| SVRG | 2 k numbers | n at each snapshot, and 2 a step |
| SAGA | (n + 1) k numbers | n at the start, and 1 a step |
"""

import math
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import one_of, positive, positive_int
from mlsys_lib.distributed_optimization.sampling import SumOfExamples
from mlsys_lib.distributed_optimization.trace import Descent, Trace, run


@dataclass(frozen=True)
class Snapshot:
    """A point, and the full gradient there: all that SVRG remembers."""

    weights: np.ndarray
    gradient: np.ndarray

    def estimate(
        self, objective: SumOfExamples, weights: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """Return an unbiased estimate of the gradient at `weights`, shape (k,)."""
        then = objective.batch_gradient(self.weights, rows)
        return np.asarray(objective.batch_gradient(weights, rows) - then + self.gradient)


def svrg(
    objective: SumOfExamples,
    start: np.ndarray,
    num_epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
    *,
    inner_steps: int | None = None,
    snapshot: str = "last",
) -> Descent:
    """Take a full gradient, then many corrected steps; again from where they led.

    Parameters
    ----------
    objective : SumOfExamples
    start : ndarray of shape (k,)
    num_epochs : int
        Snapshots; an iterate of the returned `Descent` is a snapshot.
    learning_rate : float
        η, about 1/(10 L_max).
    rng : Generator
    inner_steps : int, optional
        Steps between snapshots, m in the paper; 2 n without it.
    snapshot : str
        "last" takes the last inner iterate (option I, what is done), "random" one of the first m
        (option II, what the theorem is about).

    Returns
    -------
    Descent

    Notes
    -----
    An epoch costs n + 2 m gradients of examples. `svrg_contraction` bounds what it gains.
    """
    rate = positive("learning_rate", learning_rate)
    num_inner = positive_int(
        "inner_steps", 2 * objective.num_examples if inner_steps is None else inner_steps
    )
    one_of("snapshot", snapshot, ("last", "random"))

    def epoch(_: int, weights: np.ndarray) -> np.ndarray:
        memory = Snapshot(weights, objective.gradient(weights))
        taken = num_inner if snapshot == "last" else int(rng.integers(num_inner))
        for rows in rng.integers(objective.num_examples, size=(taken, 1)):
            weights = weights - rate * memory.estimate(objective, weights, rows)
        return weights

    return run(Trace(objective, start, num_epochs), epoch)


def svrg_contraction(
    learning_rate: float, smoothness: float, strong_convexity: float, inner_steps: int
) -> float:
    """Return α with E f(snapshot s) - f* <= α^s (f(w_0) - f*) (Johnson & Zhang 2013, theorem 1).

    α = 1/(μ η (1 - 2 L η) m) + 2 L η/(1 - 2 L η), for random snapshots; L is L_max. It says nothing
    where it is not below 1, and is inf for η >= 1/(2 L).
    """
    eta, mu = (
        positive("learning_rate", learning_rate),
        positive("strong_convexity", strong_convexity),
    )
    doubled = 2 * positive("smoothness", smoothness) * eta
    if doubled >= 1:
        return math.inf
    steps = positive_int("inner_steps", inner_steps)
    return 1 / (mu * eta * (1 - doubled) * steps) + doubled / (1 - doubled)


class GradientTable:
    """The last gradient seen of each example, and their mean: all that SAGA remembers.

    Parameters
    ----------
    objective : SumOfExamples
    weights : ndarray of shape (k,)
        Where the first gradients are taken: n of them.

    Notes
    -----
    8 n k bytes. For a linear model a gradient is a number times x_j, and n numbers would do.
    """

    def __init__(self, objective: SumOfExamples, weights: np.ndarray) -> None:
        rows = np.arange(objective.num_examples)[:, None]
        self.gradients = np.array([objective.batch_gradient(weights, row) for row in rows])
        self.mean = self.gradients.mean(axis=0)

    def estimate(self, gradient: np.ndarray, example: int) -> np.ndarray:
        """Return an unbiased estimate, from the gradient of one example now."""
        return np.asarray(gradient - self.gradients[example] + self.mean)

    def remember(self, gradient: np.ndarray, example: int) -> None:
        """Put a gradient in its place; the mean follows in k operations."""
        self.mean = self.mean + (gradient - self.gradients[example]) / len(self.gradients)
        self.gradients[example] = gradient


def saga(
    objective: SumOfExamples,
    start: np.ndarray,
    num_steps: int,
    learning_rate: float,
    rng: np.random.Generator,
    *,
    record_every: int = 1,
) -> Descent:
    """Step along one example's gradient, corrected by a table of the last gradient of each.

    Parameters
    ----------
    objective : SumOfExamples
    start : ndarray of shape (k,)
    num_steps : int
        Steps, each one gradient of an example and O(k) besides.
    learning_rate : float
        η; 1/(3 L_max) needs no μ, 1/(2 (μ n + L_max)) does.
    rng : Generator
    record_every : int
        As in `sgd`.

    Returns
    -------
    Descent

    Notes
    -----
    `saga_contraction` bounds what a step gains.
    """
    rate = positive("learning_rate", learning_rate)
    trace = Trace(objective, start, num_steps, record_every=record_every)
    table = GradientTable(objective, trace.weights)

    def move(_: int, weights: np.ndarray) -> np.ndarray:
        rows = rng.integers(objective.num_examples, size=1)
        gradient, example = objective.batch_gradient(weights, rows), int(rows[0])
        estimate = table.estimate(gradient, example)
        table.remember(gradient, example)
        return weights - rate * estimate

    return run(trace, move)


def saga_contraction(smoothness: float, strong_convexity: float, num_examples: int) -> float:
    """Return 1 - μ/(2 (μ n + L)), the factor of a step (Defazio et al. 2014, theorem 1).

    With η = 1/(2 (μ n + L)), each example L-smooth and μ-strongly convex, E‖w_t - w*‖² is at most
    this factor to the power t, times ‖w_0 - w*‖² + n/(μ n + L) (f(w_0) - f*).
    """
    mu, n = (
        positive("strong_convexity", strong_convexity),
        positive_int("num_examples", num_examples),
    )
    return 1 - mu / (2 * (mu * n + positive("smoothness", smoothness)))
