"""The best learning rate and momentum on quadratics, and how fast the error then shrinks.

For ½ wᵀHw with eigenvalues of H in [μ, L] and κ = L / μ (Polyak 1964, doi:10.1016/
0041-5553(64)90137-5; Nesterov, "Introductory lectures on convex optimization", 2004,
doi:10.1007/978-1-4419-8853-9; Lessard, Recht & Packard, SIAM J. Optimization 26(1), 2016,
doi:10.1137/15M1009597):

    gradient descent   η = 2 / (L + μ)                                radius (κ - 1) / (κ + 1)
    heavy ball         η = 4 / (√L + √μ)²,  δ = ((√κ - 1)/(√κ + 1))²  radius (√κ - 1) / (√κ + 1)
    Nesterov           η = 1 / L,           δ = (√κ - 1)/(√κ + 1)     radius 1 - 1 / √κ

Nesterov's row is the usual choice; with another η and δ a quadratic allows a little less. On
functions that are no quadratics the heavy ball's row may not converge (Lessard et al., 4.6).
"""

import math
from dataclasses import dataclass

from mlsys_lib.core.validate import positive


@dataclass(frozen=True)
class Rates:
    """Options for a quadratic.

    Attributes
    ----------
    learning_rate, momentum : float
        η and δ.
    radius : float
        Spectral radius of the iteration: the factor by which a step shrinks the error in the end.
    """

    learning_rate: float
    momentum: float
    radius: float


def gradient_descent_rates(smoothness: float, strong_convexity: float) -> Rates:
    """Return the best constant η for plain gradient descent; see `heavy_ball_rates`."""
    high, low = _checked(smoothness, strong_convexity)
    return Rates(2 / (high + low), 0.0, (high - low) / (high + low))


def heavy_ball_rates(smoothness: float, strong_convexity: float) -> Rates:
    """Return η, δ and radius for `HeavyBall` on a quadratic.

    Parameters
    ----------
    smoothness, strong_convexity : float
        L and μ: largest and smallest eigenvalue of the Hessian, 0 < μ ≤ L.

    Examples
    --------
    >>> round(heavy_ball_rates(100, 1).radius, 7)
    0.8181818
    """
    high, low = _checked(smoothness, strong_convexity)
    radius = (math.sqrt(high) - math.sqrt(low)) / (math.sqrt(high) + math.sqrt(low))
    return Rates(4 / (math.sqrt(high) + math.sqrt(low)) ** 2, radius**2, radius)


def nesterov_rates(smoothness: float, strong_convexity: float) -> Rates:
    """Return η, δ and radius for `Nesterov` on a quadratic; see `heavy_ball_rates`."""
    high, low = _checked(smoothness, strong_convexity)
    root = math.sqrt(high / low)
    return Rates(1 / high, (root - 1) / (root + 1), 1 - 1 / root)


def _checked(smoothness: float, strong_convexity: float) -> tuple[float, float]:
    high = positive("smoothness", smoothness)
    low = positive("strong_convexity", strong_convexity)
    if low > high:
        raise ValueError(f"strong_convexity must be at most smoothness {high}, got {low}")
    return high, low
