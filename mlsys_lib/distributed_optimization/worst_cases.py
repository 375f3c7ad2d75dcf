"""Smooth problems whose minimum is known exactly, and on which a method is as slow as it can be.

`Quadratic` has the eigenvalues that you choose. `Chain` is Nesterov's worst function for any method
that moves along gradients. `Huber` has the worst ones for gradient descent. Each offers ``value``,
``gradient``, ``smoothness`` L, ``strong_convexity`` μ and ``num_features``, as objectives do, and
``optimum`` f*, ``minimizer`` w* and ``start`` w_0 besides. Those with kinks are in `kinks`.

>>> problem = huber_worst_case(horizon=10)
>>> weights = problem.start
>>> for _ in range(10):
...     weights = weights - problem.gradient(weights) / problem.smoothness
>>> round(problem.value(weights) - problem.optimum, 7)  # L R_w² / (4 t + 2) = 1/42
0.0238095
"""

import math
from dataclasses import dataclass, field

import numpy as np

from mlsys_lib.core.validate import positive, positive_int


class Quadratic:
    """f(w) = ½ (w - w*)ᵀ H (w - w*), with w* = 0 and the eigenvalues of H given.

    Parameters
    ----------
    eigenvalues : ndarray of shape (d,)
        All of them >= 0, one above. The largest is L, the smallest is μ.
    rng : Generator, optional
        Draws a rotation, so that H is not diagonal. Without it the axes are the eigenvectors.

    Notes
    -----
    The start makes each eigenvector give the same part of f(w_0) = 1/2; one of eigenvalue 0 has
    a part of the start of length 1, which no gradient sees. A gradient costs 2 d² operations.
    """

    def __init__(self, eigenvalues: np.ndarray, rng: np.random.Generator | None = None) -> None:
        eigenvalues = np.asarray(eigenvalues, np.float64)
        if eigenvalues.ndim != 1 or not eigenvalues.size:
            raise ValueError(f"eigenvalues must have shape (d,), d >= 1, got {eigenvalues.shape}")
        if not (np.isfinite(eigenvalues).all() and eigenvalues.min() >= 0 < eigenvalues.max()):
            raise ValueError(f"eigenvalues must be finite, >= 0 and not all 0, got {eigenvalues}")
        size = len(eigenvalues)
        axes = np.eye(size) if rng is None else np.linalg.qr(rng.normal(size=(size, size)))[0]
        lengths = np.sqrt(np.where(eigenvalues > 0, size * eigenvalues, 1.0))
        self.hessian = (axes * eigenvalues) @ axes.T
        self.smoothness = float(eigenvalues.max())
        self.strong_convexity = float(eigenvalues.min())
        self.num_features = size
        self.optimum = 0.0
        self.minimizer = np.zeros(size)
        self.start = axes @ (1 / lengths)

    def value(self, weights: np.ndarray) -> float:
        """Return f."""
        return float(0.5 * weights @ (self.hessian @ weights))

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return H w."""
        return np.asarray(self.hessian @ weights)


def quadratic(
    condition_number: float, num_features: int = 2, rng: np.random.Generator | None = None
) -> Quadratic:
    """Return the quadratic with μ = 1 and L = κ, the other eigenvalues evenly between in the log.

    Parameters
    ----------
    condition_number : float
        κ >= 1.
    num_features : int
        d >= 2.
    rng : Generator, optional
        Rotates it.
    """
    if positive("condition_number", condition_number) < 1:
        raise ValueError(f"condition_number must be >= 1, got {condition_number!r}")
    if positive_int("num_features", num_features) < 2:
        raise ValueError(f"num_features must be >= 2 to have two ends, got {num_features}")
    return Quadratic(np.geomspace(1, condition_number, num_features), rng)


class Chain:
    """Nesterov's worst function: each gradient tells about one more coordinate only.

    f(w) = c (½ wᵀ A w - w_1) + μ/2 ‖w‖², A tridiagonal with 2 on the diagonal and -1 beside it.
    From w_0 = 0 the first gradient has only its first coordinate, and t gradients reach t of them.

    Without μ this is Nesterov 2004, section 2.1.2, with c = L/4. With μ > 0 it is section 2.1.4
    with c = (L - μ)/4; there w* has infinitely many coordinates q, q², q³ …. Ours has d, and the
    last entry of A is 2 - q, with which the first d of them are the minimizer exactly.

    Parameters
    ----------
    num_features : int
        d. More than the steps that will be taken.
    smoothness, strong_convexity : float
        L > μ >= 0.

    Notes
    -----
    A value or a gradient costs O(d). L bounds the largest eigenvalue, and is reached as d grows.
    """

    def __init__(
        self, num_features: int, smoothness: float = 1.0, strong_convexity: float = 0.0
    ) -> None:
        self.num_features = positive_int("num_features", num_features)
        self.smoothness = positive("smoothness", smoothness)
        if not 0 <= strong_convexity < smoothness:
            raise ValueError(
                f"strong_convexity must be in [0, smoothness={smoothness}), got {strong_convexity}"
            )
        self.strong_convexity = float(strong_convexity)
        self.scale = (self.smoothness - self.strong_convexity) / 4
        place = np.arange(1, num_features + 1)
        if strong_convexity:
            root = math.sqrt(smoothness / strong_convexity)
            self.ratio = (root - 1) / (root + 1)
            self.last = 2 - self.ratio
            self.minimizer = self.ratio**place
        else:
            self.ratio, self.last = 1.0, 2.0
            self.minimizer = 1 - place / (num_features + 1)
        self.start = np.zeros(num_features)
        self.optimum = -0.5 * self.scale * float(self.minimizer[0])  # f* = -½ bᵀ w*

    def value(self, weights: np.ndarray) -> float:
        """Return f."""
        curved = 0.5 * self.scale * weights @ self._product(weights)
        ridge = 0.5 * self.strong_convexity * weights @ weights
        return float(curved - self.scale * weights[0] + ridge)

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return c (A w - e_1) + μ w."""
        gradient = self.scale * self._product(weights) + self.strong_convexity * weights
        gradient[0] -= self.scale
        return gradient

    def lower_bound(self, step: int) -> float:
        """Return how far f stays above f* after `step` gradients, whatever is done with them.

        Of the convex one: L/8 (1/(t+1) - 1/(d+1)), which conjugate gradients reach (they minimise
        over the coordinates that were seen); at d = 2t + 1 it is over 3 L R_w² / (32 (t+1)²). Of
        the strongly convex one: μ/2 times the squared length of what is unseen of w*.
        """
        if self.strong_convexity:
            unseen = self.minimizer[step:]
            return 0.5 * self.strong_convexity * float(unseen @ unseen)
        if step >= self.num_features:
            return 0.0
        return self.smoothness / 8 * (1 / (step + 1) - 1 / (self.num_features + 1))

    def _product(self, weights: np.ndarray) -> np.ndarray:
        product = 2 * weights
        product[-1] = self.last * weights[-1]
        product[:-1] -= weights[1:]
        product[1:] -= weights[:-1]
        return product


def huber_worst_case(
    horizon: int, num_features: int = 1, *, smoothness: float = 1.0, radius: float = 1.0
) -> "Huber":
    """Return the worst convex L-smooth problem for T steps 1/L from distance R_w.

    Its bowl ends at r = R_w / (2T + 1). A step on the slope moves by r, so T steps end just outside
    the bowl, with f - f* = L R_w² / (4T + 2). One feature is as bad as many.

    Parameters
    ----------
    horizon : int
        T, the number of steps for which it is the worst.
    num_features : int
    smoothness, radius : float
        L and R_w.
    """
    threshold = positive("radius", radius) / (2 * positive_int("horizon", horizon) + 1)
    return Huber(threshold, num_features, smoothness, radius)


@dataclass(frozen=True)
class Huber:
    """f(w) = L/2 ‖w‖² within ‖w‖ <= r, and L r (‖w‖ - r/2) beyond: a bowl with a straight slope.

    Drori & Teboulle, "Performance of first-order methods for smooth convex minimization: a novel
    approach", Mathematical Programming 145, 2014, doi:10.1007/s10107-013-0653-0, section 3.

    Parameters
    ----------
    threshold : float
        r, where the bowl ends.
    num_features : int
        d.
    smoothness, radius : float
        L, and the distance R_w of the start.
    """

    threshold: float
    num_features: int = 1
    smoothness: float = 1.0
    radius: float = 1.0
    strong_convexity: float = field(default=0.0, init=False)
    optimum: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        positive("threshold", self.threshold)
        positive_int("num_features", self.num_features)
        positive("smoothness", self.smoothness)
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
        length = float(np.linalg.norm(weights))
        if length <= self.threshold:
            return 0.5 * self.smoothness * length**2
        return self.smoothness * self.threshold * (length - self.threshold / 2)

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return L w, cut to the length L r."""
        length = float(np.linalg.norm(weights))
        return np.asarray(self.smoothness * min(1.0, self.threshold / (length or 1.0)) * weights)
