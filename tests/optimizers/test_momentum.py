"""Heavy ball and Nesterov: what torch's buffer form shares with them, and their best rates."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from mlsys_lib.optimizers import (
    SGD,
    HeavyBall,
    Nesterov,
    Rates,
    gradient_descent_rates,
    heavy_ball_rates,
    nesterov_rates,
)
from tests.optimizers.problems import SHAPES, arrays, assert_equal, gradients, torch_walk, walk

STEPS = list(gradients(SHAPES, 9))
HESSIAN = np.diag([1.0, 7.0, 100.0])


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_heavy_ball_is_torchs_buffer_form_for_a_constant_rate(
    momentum: float, maximize: bool
) -> None:
    options = {"lr": 0.01, "momentum": momentum, "maximize": maximize}
    expected = torch_walk(torch.optim.SGD, arrays(SHAPES, 0), STEPS, options)
    ball = HeavyBall(arrays(SHAPES, 0), learning_rate=0.01, momentum=momentum, maximize=maximize)
    assert_equal(walk(ball, STEPS), expected)


def test_heavy_ball_differs_from_the_buffer_form_when_the_rate_changes() -> None:
    """Old steps keep the rate they were taken with: 0.1 · 0.9 lies between the two."""
    one, other = np.zeros(1), np.zeros(1)
    ball, sgd = HeavyBall([one], momentum=0.9), SGD([other], momentum=0.9)
    for rate in (0.1, 0.2):
        for optimizer in (ball, sgd):
            optimizer.learning_rate = rate
            optimizer.step([np.ones(1)])
    assert one[0] == pytest.approx(-0.1 - (0.2 + 0.9 * 0.1))
    assert other[0] == pytest.approx(-0.1 - (0.2 + 0.9 * 0.2))


def test_heavy_ball_follows_its_formula_when_the_rate_changes() -> None:
    rates, steps = [0.1, 0.02, 0.5, 0.0, 0.3], [arrays([(4,)], seed) for seed in range(5)]
    w = arrays([(4,)], 7)
    before = current = w[0].copy()
    walk(HeavyBall(w, momentum=0.8), steps, rates)
    for rate, (g,) in zip(rates, steps, strict=True):
        before, current = current, current - rate * g + 0.8 * (current - before)
    np.testing.assert_allclose(w[0], current, rtol=1e-13)


def test_look_ahead_of_nesterov_is_the_weight_of_torch() -> None:
    """The change of variables, on gradients of a function: y here is w there."""
    w = np.array([1.0, -2.0, 3.0])
    parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
    theirs = torch.optim.SGD([parameter], lr=0.01, momentum=0.9, nesterov=True)
    ours = Nesterov([w], learning_rate=0.01, momentum=0.9)
    for _ in range(20):
        parameter.grad = parameter.detach() @ torch.from_numpy(HESSIAN)
        theirs.step()
        ours.step([ours.look_ahead()[0] @ HESSIAN])
        np.testing.assert_allclose(
            ours.look_ahead()[0], parameter.detach().numpy(), rtol=1e-12, atol=1e-12
        )
    assert np.abs(w - parameter.detach().numpy()).max() > 1e-3  # the weights themselves differ


def test_nesterov_follows_its_formula() -> None:
    w = np.array([1.0, -2.0, 3.0])
    before = current = w.copy()
    ours = Nesterov([w], learning_rate=0.005, momentum=0.7)
    for _ in range(10):
        ahead = current + 0.7 * (current - before)
        before, current = current, ahead - 0.005 * ahead @ HESSIAN
        ours.step([ours.look_ahead()[0] @ HESSIAN])
    np.testing.assert_allclose(w, current, rtol=1e-13)


def test_look_ahead_shares_no_memory_and_keeps_the_dtype() -> None:
    w = arrays([(3,), ()], 0, np.float32)
    ahead = Nesterov(w).look_ahead()
    for mine, held in zip(ahead, w, strict=True):
        assert mine.dtype == np.float32 and not np.shares_memory(mine, held)


def spectral_radius(rates: Rates, look_ahead: bool, eigenvalues: np.ndarray) -> float:
    """Return the largest eigenvalue of the step (w, w_before) -> (w_after, w)."""
    radii = []
    for value in eigenvalues:
        slope = 1 - rates.learning_rate * value
        if look_ahead:
            row = [(1 + rates.momentum) * slope, -rates.momentum * slope]
        else:
            row = [slope + rates.momentum, -rates.momentum]
        radii.append(np.abs(np.linalg.eigvals(np.array([row, [1.0, 0.0]]))).max())
    return float(max(radii))


@pytest.mark.parametrize("high", [1.0, 4.0, 100.0, 1e4])
def test_radii_are_the_largest_eigenvalues(high: float) -> None:
    """At double eigenvalues a rounding of 1e-16 moves them by its root, 1e-8."""
    spectrum = np.linspace(1.0, high, 101)
    for rates, look_ahead in (
        (gradient_descent_rates(high, 1.0), False),
        (heavy_ball_rates(high, 1.0), False),
        (nesterov_rates(high, 1.0), True),
    ):
        assert spectral_radius(rates, look_ahead, spectrum) == pytest.approx(rates.radius, abs=1e-6)


@pytest.mark.parametrize("rule", [gradient_descent_rates, heavy_ball_rates])
@pytest.mark.parametrize("factor", [0.9, 1.01])
def test_other_rates_are_worse(rule: Callable[..., Rates], factor: float) -> None:
    best = rule(100.0, 1.0)
    spectrum = np.linspace(1.0, 100.0, 101)
    others = [Rates(best.learning_rate * factor, best.momentum, 0.0)]
    if best.momentum:
        others.append(Rates(best.learning_rate, best.momentum * factor, 0.0))
    for other in others:
        assert spectral_radius(other, False, spectrum) > best.radius + 1e-4


def test_numbers_of_the_sheet() -> None:
    """L = 100, μ = 1."""
    ball, ahead = heavy_ball_rates(100, 1), nesterov_rates(100, 1)
    assert gradient_descent_rates(100, 1).radius == pytest.approx(0.98019802, abs=5e-9)
    assert ball.learning_rate == pytest.approx(0.0330579, abs=5e-8)
    assert ball.momentum == pytest.approx(0.6694215, abs=5e-8)
    assert ball.radius == pytest.approx(0.8181818, abs=5e-8)
    assert (ahead.learning_rate, ahead.radius) == (0.01, pytest.approx(0.9))
    assert ahead.momentum == pytest.approx(0.8181818, abs=5e-8)


@pytest.mark.parametrize(
    ("optimizer_class", "rule"), [(HeavyBall, heavy_ball_rates), (Nesterov, nesterov_rates)]
)
def test_optimizers_shrink_the_error_by_the_radius(
    optimizer_class: type[HeavyBall], rule: Callable[..., Rates]
) -> None:
    """Measured over steps 100 to 200; a double eigenvalue leaves a factor t."""
    rates, w = rule(100.0, 1.0), np.array([1.0, 1.0, 1.0])
    optimizer = optimizer_class([w], learning_rate=rates.learning_rate, momentum=rates.momentum)
    sizes = []
    for _ in range(200):
        at = optimizer.look_ahead()[0] if optimizer_class is Nesterov else w
        optimizer.step([at @ HESSIAN])
        sizes.append(float(np.linalg.norm(w)))
    measured = (sizes[199] / sizes[99]) ** (1 / 100)
    assert measured == pytest.approx(rates.radius, rel=0.012)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "smoothness must be finite and > 0, got 0"),
        ((1, 0), "strong_convexity must be finite and > 0, got 0"),
        ((1, 2), "strong_convexity must be at most smoothness 1.0, got 2.0"),
        ((math.inf, 1), "smoothness must be finite"),
    ],
)
def test_bad_constants_are_refused(arguments: tuple[float, float], message: str) -> None:
    for rule in (gradient_descent_rates, heavy_ball_rates, nesterov_rates):
        with pytest.raises(ValueError, match=message):
            rule(*arguments)
