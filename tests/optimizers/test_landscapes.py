"""Landscapes: gradients are slopes, and the minima are minima."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from mlsys_lib.optimizers import Landscape, landscapes

ALL: dict[str, Landscape] = {
    "round": landscapes.quadratic(1.0),
    "long": landscapes.quadratic(25.0),
    "turned": landscapes.quadratic(25.0, math.pi / 6),
    "rosenbrock": landscapes.rosenbrock(),
    "saddle": landscapes.saddle(),
    "beale": landscapes.beale(),
}
every = pytest.mark.parametrize("landscape", ALL.values(), ids=ALL)
POINTS = np.random.default_rng(0).uniform(-2, 2, (50, 2))


@every
def test_gradient_is_the_slope(landscape: Landscape) -> None:
    """Central differences: an error of h² times the third derivative, here up to some 1e4."""
    h = 1e-5
    for i in range(2):
        step = h * np.eye(2)[i]
        up, down = landscape.value(POINTS + step), landscape.value(POINTS - step)
        slope = (up - down) / (2 * h)
        np.testing.assert_allclose(landscape.gradient(POINTS)[:, i], slope, rtol=1e-5, atol=1e-5)


@every
def test_minima_are_flat_and_least(landscape: Landscape) -> None:
    np.testing.assert_allclose(landscape.gradient(landscape.minima), 0, atol=1e-12)
    np.testing.assert_allclose(landscape.value(landscape.minima), landscape.least, atol=1e-12)
    grid = np.stack(np.meshgrid(np.linspace(-4, 4, 101), np.linspace(-4, 4, 101)), axis=-1)
    assert (landscape.value(grid) >= landscape.least - 1e-12).all()


@every
def test_a_minimizer_ends_in_a_minimum(landscape: Landscape) -> None:
    found = minimize(landscape.value, landscape.start, jac=landscape.gradient, method="BFGS")
    distance = np.linalg.norm(landscape.minima - found.x, axis=1).min()
    assert distance < 1e-3


@every
def test_grids_and_single_points(landscape: Landscape) -> None:
    grid = POINTS.reshape(5, 10, 2)
    assert landscape.value(grid).shape == (5, 10)
    assert landscape.gradient(grid).shape == (5, 10, 2)
    assert landscape.gradient(landscape.start).shape == (2,)
    assert float(landscape.value(landscape.start)) > landscape.least


def test_values_of_the_literature() -> None:
    """Rosenbrock's start has 24.2; Beale's function is 14.203125 at the origin."""
    rosenbrock, beale = landscapes.rosenbrock(), landscapes.beale()
    assert rosenbrock.value(rosenbrock.start) == pytest.approx(24.2)
    assert beale.value(np.zeros(2)) == pytest.approx(14.203125)
    x = torch.tensor([1.3, -0.4], dtype=torch.float64, requires_grad=True)
    ((1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2).backward()
    np.testing.assert_allclose(rosenbrock.gradient(x.detach().numpy()), x.grad, rtol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2])
def test_quadratic_has_the_condition_number(angle: float) -> None:
    """The Hessian is the gradient at the unit vectors; its long axis is turned by the angle."""
    hessian = landscapes.quadratic(9.0, angle).gradient(np.eye(2))
    values, vectors = np.linalg.eigh(hessian)
    np.testing.assert_allclose(values, [1.0, 9.0])
    assert abs(vectors[:, 0] @ [math.cos(angle), math.sin(angle)]) == pytest.approx(1)


def test_the_saddle_is_flat_and_no_minimum() -> None:
    saddle = landscapes.saddle()
    assert not saddle.gradient(np.zeros(2)).any() and saddle.value(np.zeros(2)) > saddle.least


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: landscapes.quadratic(0), "condition_number must be finite and > 0, got 0"),
        (lambda: landscapes.quadratic(2, math.nan), "angle must be finite, got nan"),
        (lambda: landscapes.rosenbrock(-1), "steepness must be finite and > 0, got -1"),
    ],
)
def test_bad_options_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
