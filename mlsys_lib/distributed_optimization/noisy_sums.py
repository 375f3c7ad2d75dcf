"""Sums over examples whose minimum is known: any objective with noise, and one coordinate each.

`NoisySum` gives an objective examples whose gradients differ by fixed vectors, so the variance of a
batch is known exactly. `AbsoluteSum` hides each coordinate in an example of its own. Each offers
what `worst_cases` do, and ``num_examples`` and ``batch_gradient(weights, rows)`` besides.

>>> from mlsys_lib.distributed_optimization.worst_cases import Quadratic
>>> noisy = NoisySum(Quadratic(np.ones(1)), np.array([[1.0], [-1.0]]))
>>> noisy.batch_gradient(np.array([3.0]), np.array([0])), noisy.variance
(array([4.]), 1.0)
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mlsys_lib.core.validate import positive, positive_int
from mlsys_lib.distributed_optimization.objective import ConvexFunction


class KnownMinimum(ConvexFunction, Protocol):
    """An objective that says where its minimum is, and where to start."""

    @property
    def optimum(self) -> float:
        """The least value, f*."""

    @property
    def minimizer(self) -> np.ndarray:
        """A point w* of value f*."""

    @property
    def start(self) -> np.ndarray:
        """The point w_0 from which the problem is hard."""


class NoisySum:
    """f(w) as the mean of f(w) + ξ_j·w over n examples, with Σ ξ_j = 0.

    Parameters
    ----------
    base : KnownMinimum
        f.
    noise : ndarray of shape (n, d), n >= 1
        ξ. Its mean is taken off, so that the sum is f.

    Notes
    -----
    The noise does not shrink at the minimum: no model fits all examples. A batch gradient costs one
    gradient of f and b d operations.
    """

    def __init__(self, base: KnownMinimum, noise: np.ndarray) -> None:
        noise = np.asarray(noise, np.float64)
        if noise.ndim != 2 or not len(noise) or noise.shape[1] != base.num_features:
            raise ValueError(
                f"noise must have shape (n, {base.num_features}), n >= 1, got {noise.shape}"
            )
        if not np.isfinite(noise).all():
            raise ValueError("noise must be finite")
        self.base = base
        self.noise = noise - noise.mean(axis=0)
        self.num_examples, self.num_features = noise.shape
        self.smoothness, self.strong_convexity = base.smoothness, base.strong_convexity
        self.optimum, self.minimizer, self.start = base.optimum, base.minimizer, base.start

    @property
    def variance(self) -> float:
        """The mean of ‖ξ_j‖²: the variance σ² of the gradient of one example."""
        return float((self.noise**2).sum(axis=1).mean())

    def value(self, weights: np.ndarray) -> float:
        """Return f, the mean over all examples."""
        return self.base.value(weights)

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return the gradient of f."""
        return self.base.gradient(weights)

    def batch_gradient(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the mean gradient of some examples, shape (d,)."""
        return np.asarray(self.base.gradient(weights) + self.noise[rows].mean(axis=0))


@dataclass(frozen=True)
class AbsoluteSum:
    """f(w) = G/d ‖w‖₁, a mean over d examples of which each knows one coordinate.

    Who drew T = d examples has not met e^-1 of the coordinates. From coordinates R_w / √d with
    steps R_w / (G √d), a coordinate goes to zero when it is met first, and stays. The average of
    T = d iterates has, in expectation and exactly, f - f* = R_w G / √T · (1 - (1 - 1/T)^T): 0.63 of
    the bound R_w G / √T.

    Parameters
    ----------
    num_features : int
        d, also the number of examples.
    gradient_bound, radius : float
        G, the length of the gradient of each example, and R_w.
    """

    num_features: int
    gradient_bound: float = 1.0
    radius: float = 1.0
    smoothness: float = field(default=math.inf, init=False)
    strong_convexity: float = field(default=0.0, init=False)
    optimum: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        positive_int("num_features", self.num_features)
        positive("gradient_bound", self.gradient_bound)
        positive("radius", self.radius)

    @property
    def num_examples(self) -> int:
        """As many as features."""
        return self.num_features

    @property
    def minimizer(self) -> np.ndarray:
        """Zero."""
        return np.zeros(self.num_features)

    @property
    def start(self) -> np.ndarray:
        """A point at distance R_w, all coordinates alike."""
        return np.full(self.num_features, self.radius / math.sqrt(self.num_features))

    def value(self, weights: np.ndarray) -> float:
        """Return f."""
        return self.gradient_bound * float(np.abs(weights).mean())

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return G/d sign(w), with sign(0) = 0."""
        return np.asarray(self.gradient_bound / self.num_features * np.sign(weights))

    def batch_gradient(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the mean over some examples j of G sign(w_j) e_j."""
        gradient = np.zeros(self.num_features)
        np.add.at(gradient, rows, self.gradient_bound / len(rows) * np.sign(weights[rows]))
        return gradient
