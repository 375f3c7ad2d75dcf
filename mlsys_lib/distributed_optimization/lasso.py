"""The lasso: least squares with an L1 penalty, which sets most weights to exactly zero.

    f(w) = 1/(2n) ‖X w - y‖² + λ ‖w‖₁

Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996. Its dual,

    dual(θ) = y·θ - n/2 ‖θ‖²   for  ‖Xᵀθ‖_∞ ≤ λ,

certifies a solution: the residual over n, scaled until it is allowed, is a θ.
"""

from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import positive, positive_int
from mlsys_lib.distributed_optimization.rows import Table, as_table, column_sets


@dataclass(frozen=True)
class Lasso:
    """A lasso problem.

    Attributes
    ----------
    X : ndarray of shape (n, d), or SparseRows
    y : ndarray of shape (n,), float64
    penalty : float
        λ > 0.
    """

    X: Table
    y: np.ndarray
    penalty: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", as_table(self.X))
        object.__setattr__(self, "y", np.asarray(self.y, dtype=float))
        positive("penalty", self.penalty)
        n = self.X.shape[0]
        if n == 0 or self.y.shape != (n,) or not np.isfinite(self.y).all():
            raise ValueError(
                f"y must hold one finite target for each of {n} >= 1 rows, got {self.y.shape}"
            )

    def value(self, weights: np.ndarray) -> float:
        """Return f(w)."""
        residual = self.X @ weights - self.y
        return float(residual @ residual / (2 * len(self.y)) + self.penalty * np.abs(weights).sum())

    def gap(self, weights: np.ndarray) -> float:
        """Return f(w) - dual(θ) ≥ f(w) - f*."""
        residual = self.y - self.X @ weights
        steepest = float(np.abs(self.X.T @ residual).max(initial=0.0))
        return self.value(weights) - dual_of_residual(residual, self.y, steepest, self.penalty)


def dual_of_residual(residual: np.ndarray, y: np.ndarray, steepest: float, penalty: float) -> float:
    """Return dual(θ) of the residual y - Xw; `steepest` is the largest |entry| of Xᵀ residual."""
    n = len(y)
    theta = residual / n
    if steepest > penalty * n:
        theta = theta * (penalty * n / steepest)
    return float(y @ theta - n / 2 * (theta @ theta))


def coordinate_descent(
    columns: list[tuple[np.ndarray, np.ndarray]],
    weights: np.ndarray,
    residual: np.ndarray,
    threshold: float,
    scale: float,
    order: np.ndarray,
) -> None:
    """Minimise over one weight after the other, exactly each time.

    With u what the weights have changed so far, the objective is, in units of 1/n,

        -residual·X u + scale/2 ‖X u‖² + threshold ‖w + u‖₁

    Parameters
    ----------
    columns : list of (rows, values)
        Where each column is not zero, and what it holds there.
    weights : ndarray of shape (d,)
        Changed in place.
    residual : ndarray of shape (n,)
        y - Xw at first, then less scale · X u; changed in place.
    threshold : float
        λ n.
    scale : float
        1 for one worker alone; see `mlsys_lib.distributed_optimization.prox_cocoa`.
    order : ndarray of integers
        Columns, in the order of the steps.
    """
    for j in order:
        rows, values = columns[j]
        curvature = scale * float(values @ values)
        if curvature == 0:
            weights[j] = 0.0  # a column of zeros: the penalty alone decides
            continue
        old = float(weights[j])
        best = old + float(values @ residual[rows]) / curvature
        new = np.sign(best) * max(0.0, abs(best) - threshold / curvature)
        if new != old:
            residual[rows] -= scale * (new - old) * values
            weights[j] = new


def solve_lasso(problem: Lasso, tolerance: float = 1e-10, max_passes: int = 5000) -> np.ndarray:
    """Return weights whose gap is at most `tolerance`, or those after `max_passes` passes.

    >>> solve_lasso(Lasso(np.eye(2), np.array([4.0, 0.5]), penalty=1.0)).tolist()
    [2.0, 0.0]
    """
    positive("tolerance", tolerance)
    columns = list(column_sets(problem.X))
    weights, residual = np.zeros(len(columns)), problem.y.copy()
    order = np.arange(len(columns))
    for _ in range(positive_int("max_passes", max_passes)):
        coordinate_descent(columns, weights, residual, problem.penalty * len(problem.y), 1.0, order)
        if problem.gap(weights) <= tolerance:
            break
    return weights
