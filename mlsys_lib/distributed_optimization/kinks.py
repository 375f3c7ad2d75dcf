"""Objectives with kinks, G-Lipschitz everywhere, on which subgradient steps are as slow as can be.

`MaxNorm` meets the bound R_w G / √T with equality, so the bound cannot be better. `LastIterate`
shows that the bound is one for the average of the iterates: the last one is worse by a factor
log T. Both answer where several subgradients are right with the one of the lowest index.

>>> problem = MaxNorm(num_features=4)
>>> problem.value(problem.start), problem.gradient(problem.start).tolist()
(0.5, [1.0, 0.0, 0.0, 0.0])
"""

import math
from dataclasses import dataclass, field

import numpy as np

from mlsys_lib.core.validate import integer, positive, positive_int


@dataclass(frozen=True)
class MaxNorm:
    """f(w) = G ‖w‖_∞, the largest coordinate, from a start with all of them R_w / √d.

    A subgradient names one coordinate, so whoever asked for fewer than d of them leaves one
    coordinate where it was, and f = G R_w / √d. With d = T this is the bound R_w G / √T itself: the
    average of T iterates reaches it. Nesterov 2004, section 3.2.1, proves half of this for any
    method that moves along subgradients (max_j w_j + μ/2 ‖w‖², in a ball); without his ball and his
    ridge, ours is for steps from this start.

    Parameters
    ----------
    num_features : int
        d.
    gradient_bound, radius : float
        G and R_w.
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
    def minimizer(self) -> np.ndarray:
        """Zero."""
        return np.zeros(self.num_features)

    @property
    def start(self) -> np.ndarray:
        """A point at distance R_w, all coordinates alike."""
        return np.full(self.num_features, self.radius / math.sqrt(self.num_features))

    def value(self, weights: np.ndarray) -> float:
        """Return f."""
        return self.gradient_bound * float(np.abs(weights).max())

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return G sign(w_j) e_j for the first largest coordinate j."""
        largest = int(np.abs(weights).argmax())
        gradient = np.zeros(self.num_features)
        gradient[largest] = self.gradient_bound * np.sign(weights[largest])
        return gradient


class LastIterate:
    """A maximum of T + 1 planes that makes the last of T steps R_w / √T a bad one; G = 1.

    Plane i rewards step i and takes back a little of each step before: at iterate t all planes
    from t on are equally high. At T = 10, 100, 400 the last iterate has f - f* = 1.5, 2.1,
    2.5 times R_w / √T; the factor grows like log T / 4. Average and best iterate keep to R_w / √T.

    After Harvey, Liaw, Plan & Randhawa, "Tight analyses for non-smooth stochastic gradient
    descent", COLT 2019, arXiv:1812.05217. They project onto a ball; here a floor at
    f* and one more coordinate, along which all planes fall, make the minimum finite, and the
    factors are chosen for a constant step.

    Parameters
    ----------
    horizon : int
        T >= 2. Memory is 8 T² bytes, and a gradient costs T² operations.
    radius : float
        R_w.
    """

    def __init__(self, horizon: int, radius: float = 1.0) -> None:
        horizon = integer("horizon", horizon, 2)
        self.radius = positive("radius", radius)
        self.planes = _planes(horizon, fall=0.5 / math.sqrt(horizon))
        self.num_features = horizon + 1
        self.gradient_bound = 1.0
        self.smoothness = math.inf
        self.strong_convexity = 0.0
        self.start = np.zeros(horizon + 1)
        self.minimizer = np.zeros(horizon + 1)
        self.minimizer[0] = radius
        self.optimum = float(self.planes[0, 0]) * radius

    def value(self, weights: np.ndarray) -> float:
        """Return the height of the highest plane, or of the floor."""
        return max(float((self.planes @ weights).max()), self.optimum)

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return the slope of the first plane that is highest, up to rounding."""
        heights = self.planes @ weights
        if heights.max() <= self.optimum:
            return np.zeros(self.num_features)
        first = int(np.argmax(heights >= heights.max() - 1e-12 * self.radius))
        return np.array(self.planes[first])


def _planes(horizon: int, fall: float) -> np.ndarray:
    """Return rows (-fall, a_1, …, a_{i-1}, -b_i, 0, …) of length one, i = 1 … T + 1."""
    planes = np.zeros((horizon + 1, horizon + 1))
    planes[:, 0] = -fall
    left = 1 - fall**2  # of the squared length of the plane at hand
    for step in range(1, horizon + 1):
        reward = math.sqrt(left)
        planes[step - 1, step] = -reward
        # What maximises a (b - a k) for the k steps that follow this one; the last plane takes all.
        taken = reward / (2 * (horizon - step)) if step < horizon else reward
        planes[step:, step] = taken
        left -= taken**2
    return planes
