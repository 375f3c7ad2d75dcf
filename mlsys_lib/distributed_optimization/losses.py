"""Losses of a linear model, each with its slope and its share of the dual problem.

A loss ℓ(z, y) looks at one example's score z = x·w. For the penalised mean

    f(w) = 1/n Σ ℓ(x_j·w, y_j) + λ/2 ‖w‖²

Fenchel's duality (Shalev-Shwartz & Zhang, "Stochastic dual coordinate ascent methods for
regularized loss minimization", JMLR 14, 2013) gives one number ζ_j for each example,

    dual(ζ) = 1/n Σ -ℓ*(-ζ_j) - λ/2 ‖w(ζ)‖²,    w(ζ) = 1/(λ n) Σ ζ_j x_j,

with dual(ζ) ≤ f(w) for every ζ and w. Each loss here knows -ℓ*(-ζ), written `dual_value`, and the
best value of one ζ while the others stay, `best_dual`.
"""

import math
from typing import Protocol

import numpy as np


class Loss(Protocol):
    """A convex loss of a score z and a target y; all methods but `best_dual` take arrays.

    Attributes
    ----------
    smoothness : float
        Lipschitz constant of the slope in z; inf where there is a kink.
    slope_bound : float
        Largest size of a slope; inf if there is none.
    """

    smoothness: float
    slope_bound: float

    def check_targets(self, y: np.ndarray) -> None:
        """Raise ValueError for targets that the loss has no meaning for."""

    def value(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return ℓ(z, y)."""

    def slope(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return a subgradient of ℓ in z."""

    def dual_value(self, dual: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return -ℓ*(-ζ); -inf where ζ is not allowed."""

    def best_dual(self, dual: float, y: float, z: float, curvature: float) -> float:
        """Return the ζ + δ that maximises -ℓ*(-(ζ + δ)) - δ z - curvature δ²/2."""


class Squared:
    """ℓ = (z - y)²/2: ridge regression, and least squares without a penalty."""

    smoothness = 1.0
    slope_bound = math.inf

    def check_targets(self, y: np.ndarray) -> None:
        """Accept every finite number."""

    def value(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return (z - y)²/2."""
        return np.asarray((z - y) ** 2 / 2)

    def slope(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return z - y."""
        return np.asarray(z - y)

    def dual_value(self, dual: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return ζ y - ζ²/2."""
        return np.asarray(dual * y - dual**2 / 2)

    def best_dual(self, dual: float, y: float, z: float, curvature: float) -> float:
        """Return the root of a linear equation."""
        return dual + (y - dual - z) / (1 + curvature)


class _Labels:
    """What losses of labels +1 and -1 share."""

    slope_bound = 1.0

    def check_targets(self, y: np.ndarray) -> None:
        """Refuse labels other than +1 and -1."""
        other = y[~np.isin(y, (-1.0, 1.0))]
        if len(other):
            raise ValueError(f"y must hold labels +1 and -1 only, got {other[0]:g}")


class Hinge(_Labels):
    """ℓ = max(0, 1 - y z): the support vector machine. Its dual asks for 0 ≤ ζ y ≤ 1."""

    smoothness = math.inf

    def value(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return max(0, 1 - y z)."""
        return np.asarray(np.maximum(0.0, 1 - y * z))

    def slope(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return -y where y z < 1, else 0."""
        return np.where(y * z < 1, -y, 0.0)

    def dual_value(self, dual: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return ζ y where it is allowed."""
        share = dual * y
        return np.where((share >= 0) & (share <= 1), share, -np.inf)

    def best_dual(self, dual: float, y: float, z: float, curvature: float) -> float:
        """Return the top of a parabola, cut off at the ends of [0, 1]."""
        share = dual * y
        slope = 1 - y * z
        if curvature <= 0:  # a row of zeros: the parabola is a line
            return y if slope > 0 else 0.0
        return min(1.0, max(0.0, share + slope / curvature)) * y


class Logistic(_Labels):
    """ℓ = log(1 + exp(-y z)): logistic regression. Its dual asks for 0 ≤ ζ y ≤ 1."""

    smoothness = 0.25

    def value(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return log(1 + exp(-y z)), for large scores too."""
        return np.asarray(np.logaddexp(0.0, -y * z))

    def slope(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return -y / (1 + exp(y z))."""
        return np.asarray(-y * np.exp(-np.logaddexp(0.0, y * z)))

    def dual_value(self, dual: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the entropy of ζ y in nats, where it is allowed."""
        share = dual * y
        inside = (share >= 0) & (share <= 1)
        safe = np.where(inside, share, 0.5)
        return np.where(inside, _entropy(safe) + _entropy(1 - safe), -np.inf)

    def best_dual(self, dual: float, y: float, z: float, curvature: float) -> float:
        """Return Newton's answer for the log-odds u of the new share: u + y z + q (σ(u) - ζy) = 0.

        The left side rises with u, and its root lies within [-y z - q (1 - ζy), -y z + q ζy]. A
        step that leaves the interval, or does not halve the error, halves the interval instead:
        between the flat ends of σ, Newton's steps alone can go back and forth for ever.
        """
        share = dual * y
        low, high = -y * z - curvature * (1 - share), -y * z + curvature * share
        odds, before = min(high, max(low, _log_odds(share))), math.inf
        for _ in range(100):
            new = _sigmoid(odds)
            error = odds + y * z + curvature * (new - share)
            if abs(error) <= 1e-12 * (1 + abs(odds)):
                break
            low, high = (odds, high) if error < 0 else (low, odds)
            odds -= error / (1 + curvature * new * (1 - new))
            if not low <= odds <= high or abs(error) > before / 2:
                odds = (low + high) / 2
            before = abs(error)
        return _sigmoid(odds) * y


def _entropy(share: np.ndarray) -> np.ndarray:
    return np.asarray(-share * np.log(np.where(share > 0, share, 1.0)))


def _sigmoid(odds: float) -> float:
    if odds >= 0:
        return 1 / (1 + math.exp(-odds))
    power = math.exp(odds)
    return power / (1 + power)


def _log_odds(share: float) -> float:
    if share <= 0:
        return -math.inf
    return math.inf if share >= 1 else math.log(share / (1 - share))
