"""The objective that workers minimise together: a mean loss, and a penalty on the weights.

    f(w) = 1/n Σ_j ℓ(x_j·w, y_j) + λ/2 ‖w‖²

with its slope, its constants L and μ, and, for λ > 0, the dual that certifies how far f(w) is from
its minimum without knowing it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from mlsys_lib.core.validate import non_negative
from mlsys_lib.distributed_optimization.losses import Loss, Squared
from mlsys_lib.distributed_optimization.rows import SparseRows, Table, as_table

MOST_DIRECTIONS = 300
"""After which Lanczos' method stops, found or not."""


class ConvexFunction(Protocol):
    """What a method of descent asks of an objective.

    Attributes
    ----------
    num_features : int
        k, the length of w.
    smoothness : float
        L, the Lipschitz constant of the gradient; inf where there is a kink.
    strong_convexity : float
        μ; 0 if there is none.
    """

    @property
    def num_features(self) -> int:
        """Return k."""

    @property
    def smoothness(self) -> float:
        """Return L."""

    @property
    def strong_convexity(self) -> float:
        """Return μ."""

    def value(self, weights: np.ndarray) -> float:
        """Return f(w)."""

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return the gradient at w, or a subgradient."""


@dataclass(frozen=True)
class Objective:
    """A penalised mean loss of a linear model, on dense or sparse rows.

    Attributes
    ----------
    X : ndarray of shape (n, d), or SparseRows
    y : ndarray of shape (n,), float64
        Numbers for `Squared`, labels +1 and -1 for `Hinge` and `Logistic`.
    loss : Loss
    penalty : float
        λ ≥ 0.

    Examples
    --------
    >>> objective = Objective(np.eye(2), np.array([1.0, 3.0]), Squared(), penalty=0.5)
    >>> objective.value(np.zeros(2)), objective.gradient(np.zeros(2)).tolist()
    (2.5, [-0.5, -1.5])
    >>> objective.smoothness, objective.strong_convexity
    (1.0, 1.0)
    """

    X: Table
    y: np.ndarray
    loss: Loss
    penalty: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", as_table(self.X))
        object.__setattr__(self, "y", np.asarray(self.y, dtype=float))
        non_negative("penalty", self.penalty)
        if self.y.shape != (self.X.shape[0],):
            raise ValueError(
                f"y must hold one target for each of {self.X.shape[0]} rows of X, "
                f"got shape {self.y.shape}"
            )
        if not len(self.y):
            raise ValueError("X must have at least one row, got none")
        if not np.isfinite(self.y).all():
            row = int(np.flatnonzero(~np.isfinite(self.y))[0])
            raise ValueError(f"y must be finite, got {self.y[row]} in row {row}")
        self.loss.check_targets(self.y)

    @property
    def num_examples(self) -> int:
        """Return n."""
        return int(self.X.shape[0])

    @property
    def num_features(self) -> int:
        """Return d, here also the number of weights."""
        return int(self.X.shape[1])

    @cached_property
    def smoothness(self) -> float:
        """Return L: the loss's own, times the largest eigenvalue of XᵀX/n, and λ."""
        if not np.isfinite(self.loss.smoothness):
            return np.inf
        return self.loss.smoothness * largest_eigenvalue(self.X) / self.num_examples + self.penalty

    @cached_property
    def strong_convexity(self) -> float:
        """Return μ: λ, and for the squared loss on dense rows the least eigenvalue of XᵀX/n."""
        if not isinstance(self.loss, Squared) or isinstance(self.X, SparseRows):
            return self.penalty
        n, d = self.X.shape
        smallest = np.linalg.eigvalsh(self.X.T @ self.X)[0] if n >= d > 0 else 0.0
        return max(0.0, float(smallest)) / int(n) + self.penalty

    def value(self, weights: np.ndarray) -> float:
        """Return f(w)."""
        losses = self.loss.value(self.X @ weights, self.y)
        return float(losses.mean() + self.penalty / 2 * (weights @ weights))

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return a (sub)gradient of f at w, of shape (d,)."""
        slopes = self.loss.slope(self.X @ weights, self.y)
        return self.X.T @ slopes / self.num_examples + self.penalty * weights

    def batch_gradient(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the gradient of the mean over some rows, and of the penalty, of shape (d,)."""
        X = self.X[rows]
        slopes = self.loss.slope(X @ weights, self.y[rows])
        return X.T @ slopes / len(rows) + self.penalty * weights

    def dual_value(self, dual: np.ndarray) -> float:
        """Return dual(ζ), for ζ of shape (n,)."""
        weights = self.weights_of(dual)
        values = self.loss.dual_value(dual, self.y)
        return float(values.mean() - self.penalty / 2 * (weights @ weights))

    def weights_of(self, dual: np.ndarray) -> np.ndarray:
        """Return w(ζ) = Xᵀζ/(λn), of shape (d,).

        Raises
        ------
        ValueError
            If λ = 0: then there is no such w.
        """
        if self.penalty == 0:
            raise ValueError("penalty must be > 0 where the dual is used, got 0")
        return self.X.T @ dual / (self.penalty * self.num_examples)

    def gap(self, dual: np.ndarray) -> float:
        """Return f(w(ζ)) - dual(ζ) ≥ f(w(ζ)) - f*: the certificate."""
        return self.value(self.weights_of(dual)) - self.dual_value(dual)


def largest_eigenvalue(X: Table) -> float:
    """Return the largest eigenvalue of XᵀX.

    For dense rows it is exact. For sparse ones it comes from Lanczos' method (Golub & Van Loan,
    "Matrix computations", 4th edition, 2013, section 10.1), with all directions kept at right
    angles, and is then raised by a millionth.
    """
    n, d = X.shape
    if min(n, d) == 0:
        return 0.0
    if not isinstance(X, SparseRows):
        return float(np.linalg.eigvalsh(X @ X.T if n < d else X.T @ X)[-1])
    direction = np.random.default_rng(0).standard_normal((d,))
    basis, found = [direction / np.linalg.norm(direction)], [0.0]
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(d, MOST_DIRECTIONS)):
        image = X.T @ (X @ basis[-1])
        diagonal.append(float(basis[-1] @ image))
        small = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        found.append(float(np.linalg.eigvalsh(small)[-1]))
        for _ in range(2):  # once leaves what rounding brings back
            image = image - np.array(basis).T @ (np.array(basis) @ image)
        size = float(np.linalg.norm(image))
        if size <= 1e-12 * found[-1] or found[-1] <= found[max(0, len(found) - 5)] * (1 + 1e-10):
            break
        beside.append(size)
        basis.append(image / size)
    return found[-1] * (1 + 1e-6)
