"""Functions of two variables to draw: value, gradient, and where the minima are.

A round or long bowl shows what conditioning does; Rosenbrock's valley bends (The Computer Journal
3(3), 1960, doi:10.1093/comjnl/3.3.175); the saddle holds whoever starts on its ridge; Beale's
function is flat in most places (1958).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import positive


@dataclass(frozen=True)
class Landscape:
    """A function of two variables.

    Attributes
    ----------
    name : str
    value : callable
        From points of shape (..., 2) to values of shape (...).
    gradient : callable
        From points of shape (..., 2) to gradients of the same shape.
    minima : ndarray of shape (n_minima, 2)
        Every point at which the value is least.
    least : float
        The value there.
    start : ndarray of shape (2,)
        A point from which a walk is worth a picture.
    """

    name: str
    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    minima: np.ndarray
    least: float
    start: np.ndarray


def quadratic(condition_number: float = 25.0, angle: float = 0.0) -> Landscape:
    """Return ½ wᵀHw, whose Hessian H has the eigenvalues 1 and `condition_number`.

    Parameters
    ----------
    condition_number : float
        κ > 0.
    angle : float
        Radians by which the long axis is turned from the first coordinate. Turned, no rate for
        each coordinate of its own helps, as in AdaGrad.

    Examples
    --------
    >>> bowl = quadratic(4.0)
    >>> bowl.value(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([0.5, 2. ])
    """
    positive("condition_number", condition_number)
    if not math.isfinite(angle):
        raise ValueError(f"angle must be finite, got {angle!r}")
    cos, sin = math.cos(angle), math.sin(angle)
    axes = np.array([[cos, -sin], [sin, cos]])
    hessian = axes @ np.diag([1.0, condition_number]) @ axes.T
    return Landscape(
        "quadratic" if angle == 0 else "rotated quadratic",
        lambda w: 0.5 * np.einsum("...i,ij,...j", w, hessian, w),
        lambda w: np.asarray(w @ hessian),
        np.zeros((1, 2)),
        0.0,
        axes @ np.array([-4.0, 1.0]),
    )


def rosenbrock(steepness: float = 100.0) -> Landscape:
    """Return (1 - x)² + steepness (y - x²)²: a bent valley with its floor along y = x²."""
    positive("steepness", steepness)

    def value(w: np.ndarray) -> np.ndarray:
        x, y = w[..., 0], w[..., 1]
        return np.asarray((1 - x) ** 2 + steepness * (y - x**2) ** 2)

    def gradient(w: np.ndarray) -> np.ndarray:
        x, y = w[..., 0], w[..., 1]
        up = 2 * steepness * (y - x**2)
        return np.stack([2 * (x - 1) - 2 * x * up, up], axis=-1)

    return Landscape("Rosenbrock", value, gradient, np.ones((1, 2)), 0.0, np.array([-1.2, 1.0]))


def saddle() -> Landscape:
    """Return ½ x² - ½ y² + ¼ y⁴: a saddle at the origin between two minima at y = ±1."""

    def value(w: np.ndarray) -> np.ndarray:
        x, y = w[..., 0], w[..., 1]
        return np.asarray(0.5 * x**2 - 0.5 * y**2 + 0.25 * y**4)

    def gradient(w: np.ndarray) -> np.ndarray:
        x, y = w[..., 0], w[..., 1]
        return np.stack([x, y**3 - y], axis=-1)

    minima = np.array([[0.0, -1.0], [0.0, 1.0]])
    return Landscape("saddle", value, gradient, minima, -0.25, np.array([-1.5, 1e-3]))


def beale() -> Landscape:
    """Return Σ (c - x + x yⁱ)² for (c, i) = (1.5, 1), (2.25, 2), (2.625, 3)."""
    constants, powers = np.array([1.5, 2.25, 2.625]), np.array([1, 2, 3])

    def value(w: np.ndarray) -> np.ndarray:
        x, y = w[..., :1], w[..., 1:]
        return np.asarray(((constants - x + x * y**powers) ** 2).sum(axis=-1))

    def gradient(w: np.ndarray) -> np.ndarray:
        x, y = w[..., :1], w[..., 1:]
        term = constants - x + x * y**powers
        along_x = 2 * term * (y**powers - 1)
        along_y = 2 * term * x * powers * y ** (powers - 1)
        return np.stack([along_x.sum(axis=-1), along_y.sum(axis=-1)], axis=-1)

    minimum = np.array([[3.0, 0.5]])
    return Landscape("Beale", value, gradient, minimum, 0.0, np.array([1.0, 1.5]))
