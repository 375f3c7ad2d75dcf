"""The minimum of an objective on one machine, with a certificate of how near it is.

What the distributed methods are measured against, and what one-shot averaging does on each worker.
"""

from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import positive, positive_int
from mlsys_lib.distributed_optimization.losses import Hinge, Squared
from mlsys_lib.distributed_optimization.objective import Objective
from mlsys_lib.distributed_optimization.rows import SparseRows
from mlsys_lib.distributed_optimization.sdca import BlockSolver

SMALL = 600
"""Weights up to which Newton's method solves for all of them at once."""


@dataclass(frozen=True)
class Optimum:
    """Where an objective is smallest.

    Attributes
    ----------
    weights : ndarray of shape (d,)
    value : float
        f at the weights.
    gap : float
        f(weights) - f* is at most this. For λ > 0 it is certified: by the duality gap, or by
        ‖∇f‖²/(2μ). For λ = 0 it is Newton's own estimate, g·H⁻¹g/2.
    num_passes : int
        How often the solver read all examples.
    """

    weights: np.ndarray
    value: float
    gap: float
    num_passes: int


def solve(objective: Objective, tolerance: float = 1e-10, max_passes: int = 5000) -> Optimum:
    """Minimise the objective until its gap is at most `tolerance`.

    Smooth losses of few weights by Newton's method, everything else by dual coordinate ascent.

    Parameters
    ----------
    objective : Objective
        With λ > 0 for the hinge loss, for sparse rows and for more than 600 weights.
    tolerance : float
    max_passes : int

    Returns
    -------
    Optimum

    Raises
    ------
    ValueError
        If λ = 0 where the dual is needed, or there is no minimum to be found: a logistic loss
        without a penalty on labels that a plane separates.

    Examples
    --------
    >>> X, y = np.array([[1.0], [2.0]]), np.array([1.0, 1.0])
    >>> solve(Objective(X, y, Squared(), penalty=0.0)).weights.round(6).tolist()
    [0.6]
    """
    positive("tolerance", tolerance)
    positive_int("max_passes", max_passes)
    dense = not isinstance(objective.X, SparseRows) and objective.num_features <= SMALL
    if dense and not isinstance(objective.loss, Hinge):
        return _newton(objective, tolerance, max_passes)
    return _coordinate_ascent(objective, tolerance, max_passes)


def _newton(objective: Objective, tolerance: float, max_passes: int) -> Optimum:
    """Newton's steps, halved until the value falls; Boyd & Vandenberghe 2004, algorithm 9.5."""
    X, n, d = objective.X, objective.num_examples, objective.num_features
    assert isinstance(X, np.ndarray)
    weights = np.zeros(d)
    for passes in range(1, max_passes + 1):
        if passes > 1 and _separates(objective, weights):
            raise ValueError(
                "penalty must be > 0 where a plane separates the labels, got 0: no minimum"
            )
        gradient = objective.gradient(weights)
        hessian = (X.T * _bend(objective, X @ weights)) @ X / n + objective.penalty * np.eye(d)
        step = np.linalg.lstsq(hessian, -gradient, rcond=None)[0]
        decrement = float(-gradient @ step)
        gap = decrement / 2
        if objective.penalty > 0:
            gap = float(gradient @ gradient) / (2 * objective.penalty)
        value = objective.value(weights)
        size = 0.0 if gap <= tolerance else _step_size(objective, weights, step, decrement)
        if size == 0 or passes == max_passes:
            break
        weights = weights + size * step
    return Optimum(weights, value, max(0.0, gap), passes)


def _step_size(
    objective: Objective, weights: np.ndarray, step: np.ndarray, decrement: float
) -> float:
    """Return 1, ½, ¼ …, the first with which the value falls enough; 0 if rounding hides it."""
    value, size = objective.value(weights), 1.0
    if decrement <= 1e-16 * abs(value):
        return 0.0
    while objective.value(weights + size * step) > value - size * decrement / 4:
        size /= 2
        if size < 1e-12:
            return 0.0
    return size


def _separates(objective: Objective, weights: np.ndarray) -> bool:
    """Return whether the loss falls for ever along `weights`, so that it has no minimum."""
    if objective.penalty > 0 or isinstance(objective.loss, Squared):
        return False
    margins = objective.y * (objective.X @ weights)
    return bool(margins.min() >= 0 and margins.max() > 0)


def _bend(objective: Objective, z: np.ndarray) -> np.ndarray:
    """Return the loss's second derivative in z."""
    if isinstance(objective.loss, Squared):
        return np.ones_like(z)
    slope = np.abs(objective.loss.slope(z, objective.y))  # logistic: s (1 - s)
    return np.asarray(slope * (1 - slope))


def _coordinate_ascent(objective: Objective, tolerance: float, max_passes: int) -> Optimum:
    n = objective.num_examples
    dual, weights = np.zeros(n), objective.weights_of(np.zeros(n))
    solver = BlockSolver(objective.X, objective.y, objective.loss, np.random.default_rng(0))
    passes = 0
    while True:
        gap = objective.value(weights) - objective.dual_value(dual)
        if gap <= tolerance or passes >= max_passes:
            return Optimum(weights, objective.value(weights), gap, passes)
        solver.solve(dual, weights, objective.penalty * n, 1.0, n)
        passes += 1
        weights = objective.weights_of(dual)  # from scratch: rounding does not pile up
