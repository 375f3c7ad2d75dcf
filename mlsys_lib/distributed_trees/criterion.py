"""Sufficient statistics: what a set of rows must tell about itself to be split well.

A split cuts the rows of a node in two, and is judged by *gain*: how much impurity it takes away.

    gain = score(left) + score(right) - score(left + right)

`score` is a function of sums over rows, the *sufficient statistics*. Sums add: those of a node are
those of its shards, added. So rows may lie on many machines, and only the sums travel (Panda,
Herbach, Basu & Bayardo, "PLANET: massively parallel learning of tree ensembles with MapReduce",
PVLDB 2(2), 2009, doi:10.14778/1687553.1687569, section 3).

The sheet's Split(i) = argmax f(Σ g) hides that f takes *two* sums, left and right: the argmax of an
impurity would pick the worst split.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Criterion(Protocol):
    """How statistics are made, and what they are worth."""

    @property
    def width(self) -> int:
        """Statistics in a row, c."""

    def encode(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return each row's own statistics, shape (n, c)."""

    def weight(self, stats: np.ndarray) -> np.ndarray:
        """Return the weight of the rows behind statistics of shape (…, c): shape (…)."""

    def score(self, stats: np.ndarray) -> np.ndarray:
        """Return the score of statistics of shape (…, c): shape (…). That of no rows is 0."""

    def order(self, stats: np.ndarray) -> np.ndarray:
        """Return the key by which categories are sorted before they are cut in two: shape (…)."""

    def value(self, stats: np.ndarray) -> np.ndarray:
        """Return what a leaf predicts: shape (…, outputs)."""


@dataclass(frozen=True)
class Variance:
    """Regression: (Σw, Σwy, Σwy²); the impurity is the weighted sum of squared deviations.

    Gains do not need Σwy²: it is on both sides of the subtraction. The papers send it, and with it
    a node knows its own impurity.
    """

    @property
    def width(self) -> int:
        """Three."""
        return 3

    def encode(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return (w, wy, wy²) of each row; y has shape (n,)."""
        weight, y = np.asarray(weight, np.float64), np.asarray(y, np.float64)
        return np.stack([weight, weight * y, weight * y * y], axis=1)

    def weight(self, stats: np.ndarray) -> np.ndarray:
        """Return Σw."""
        return stats[..., 0]

    def score(self, stats: np.ndarray) -> np.ndarray:
        """Return (Σwy)² / Σw: what the mean explains of Σwy²."""
        return _ratio(stats[..., 1] * stats[..., 1], stats[..., 0])

    def order(self, stats: np.ndarray) -> np.ndarray:
        """Return the mean: cutting categories in its order finds the best cut of all (Fisher)."""
        return _ratio(stats[..., 1], stats[..., 0])

    def value(self, stats: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return _ratio(stats[..., 1], stats[..., 0])[..., None]


@dataclass(frozen=True)
class _Classes:
    """Classification: the weight of each class; y holds 0 … num_classes - 1.

    Parameters
    ----------
    num_classes : int
    """

    num_classes: int

    @property
    def width(self) -> int:
        """One for each class."""
        return self.num_classes

    def encode(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return each row's weight in the column of its class.

        Raises
        ------
        ValueError
            If a label is not a whole number in 0 … num_classes - 1.
        """
        require_labels(y, self.num_classes)
        stats = np.zeros((len(y), self.num_classes))
        stats[np.arange(len(y)), y] = weight
        return stats

    def weight(self, stats: np.ndarray) -> np.ndarray:
        """Return the weight of all classes together."""
        return np.asarray(stats.sum(axis=-1))

    def order(self, stats: np.ndarray) -> np.ndarray:
        """Return the share of the last class: the best order for two classes (Breiman et al.).

        For more classes no order is known to hold the best cut; this one is as good as any.
        """
        return _ratio(stats[..., -1], stats.sum(axis=-1))

    def value(self, stats: np.ndarray) -> np.ndarray:
        """Return the share of each class."""
        return _ratio(stats, stats.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Gini(_Classes):
    """Gini impurity 1 - Σp², times the weight."""

    def score(self, stats: np.ndarray) -> np.ndarray:
        """Return Σc² / Σc."""
        return _ratio((stats * stats).sum(axis=-1), stats.sum(axis=-1))


@dataclass(frozen=True)
class Entropy(_Classes):
    """Entropy -Σ p log2 p, times the weight."""

    def score(self, stats: np.ndarray) -> np.ndarray:
        """Return Σ c log2 c - n log2 n."""
        of_all = _times_log2(stats.sum(axis=-1))
        return np.asarray(_times_log2(stats).sum(axis=-1) - of_all)


@dataclass(frozen=True)
class Newton:
    """Gradient boosting: (Σw, Σwg, Σwh) of a loss's first and second derivatives.

    Chen & Guestrin, "XGBoost: a scalable tree boosting system", KDD 2016,
    doi:10.1145/2939672.2939785, equations 5 to 7, without the price γ of a leaf.

    Parameters
    ----------
    l2 : float
        λ, which shrinks leaf values.
    """

    l2: float = 1.0

    @property
    def width(self) -> int:
        """Three."""
        return 3

    def encode(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return (w, wg, wh); `y` has shape (n, 2): gradient and hessian of each row."""
        return np.column_stack([weight, weight * y[:, 0], weight * y[:, 1]])

    def weight(self, stats: np.ndarray) -> np.ndarray:
        """Return Σw."""
        return stats[..., 0]

    def score(self, stats: np.ndarray) -> np.ndarray:
        """Return ½ G² / (H + λ)."""
        return _ratio(0.5 * stats[..., 1] * stats[..., 1], stats[..., 2] + self.l2)

    def order(self, stats: np.ndarray) -> np.ndarray:
        """Return G / (H + λ)."""
        return _ratio(stats[..., 1], stats[..., 2] + self.l2)

    def value(self, stats: np.ndarray) -> np.ndarray:
        """Return -G / (H + λ), one step of Newton's."""
        return -_ratio(stats[..., 1], stats[..., 2] + self.l2)[..., None]


def require_labels(y: np.ndarray, num_classes: int) -> None:
    """Raise if labels are not whole numbers in 0 … num_classes - 1."""
    if y.dtype.kind not in "iu":
        raise ValueError(f"y must hold whole numbers for classes, got dtype {y.dtype}")
    if len(y) and not (0 <= y.min() and y.max() < num_classes):
        raise ValueError(f"y must be in 0…{num_classes - 1}, got {y.min()}…{y.max()}")


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, and 0 where there is nothing below."""
    shape = np.broadcast_shapes(np.shape(above), np.shape(below))
    return np.asarray(np.divide(above, below, out=np.zeros(shape), where=np.asarray(below) > 0))


def _times_log2(x: np.ndarray) -> np.ndarray:
    return np.asarray(x * np.log2(x, out=np.zeros_like(x), where=x > 0))
