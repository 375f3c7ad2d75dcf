"""Hand-checked numbers: one weight that begins at 1, and the gradients 1, -2, 0.5."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlsys_lib.optimizers import SGD, Adagrad, Adam, AdamW, HeavyBall, Nesterov, RMSprop
from mlsys_lib.optimizers.base import Optimizer

GRADIENTS = (1.0, -2.0, 0.5)
Make = Callable[[list[np.ndarray]], Optimizer]


def walk(make: Make, gradients: Any = GRADIENTS, start: float = 1.0) -> list[float]:
    """Return the weight after each step."""
    w = np.array([start])
    optimizer = make([w])
    path = []
    for gradient in gradients:
        optimizer.step([np.array([gradient])])
        path.append(float(w[0]))
    return path


TABLE: dict[str, tuple[Make, list[float]]] = {
    "sgd with momentum": (
        lambda w: SGD(w, learning_rate=0.1, momentum=0.9),
        [0.9, 1.01, 1.059],
    ),
    "heavy ball": (
        lambda w: HeavyBall(w, learning_rate=0.1, momentum=0.9),
        [0.9, 1.01, 1.059],
    ),
    "sgd with nesterov": (
        lambda w: SGD(w, learning_rate=0.1, momentum=0.9, nesterov=True),
        [0.81, 1.109, 1.1031],
    ),
    "adagrad": (
        lambda w: Adagrad(w, learning_rate=0.1),
        [0.90000000001, 0.9894427191059916, 0.9676209300833447],
    ),
    "rmsprop": (
        lambda w: RMSprop(w, learning_rate=0.1),
        [9.99999904e-08, 0.895323021991522, 0.6758495053504888],
    ),
    "adam": (
        lambda w: Adam(w, learning_rate=0.1),
        [0.900000001, 0.9366103534720749, 0.9502794196738216],
    ),
    "adamw": (
        lambda w: AdamW(w, learning_rate=0.1, weight_decay=0.01),
        [0.899000001, 0.9347113534710749, 0.9474457083193505],
    ),
    "adam without correction": (
        lambda w: Adam(w, learning_rate=0.1, bias_correction=False),
        [0.6837723339831306, 0.8393513625228006, 0.9070164483687219],
    ),
    "adam as printed, decays swapped": (
        lambda w: Adam(w, learning_rate=0.1, decays=(0.999, 0.9), bias_correction=False),
        [0.9996837722, 0.9998267722, 0.9999000169],
    ),
}


@pytest.mark.parametrize(("make", "expected"), TABLE.values(), ids=TABLE)
def test_table(make: Make, expected: list[float]) -> None:
    """To the digits that are printed: nine at least."""
    np.testing.assert_allclose(walk(make), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", ["adagrad", "rmsprop", "adam", "adamw", "adam without correction"])
def test_table_to_the_last_digit(name: str) -> None:
    """The second and third numbers are printed with all 16 digits."""
    make, expected = TABLE[name]
    np.testing.assert_allclose(walk(make)[1:], expected[1:], rtol=4e-16 * 4)


def test_look_ahead_of_nesterov_is_the_row_of_sgd() -> None:
    w = np.array([1.0])
    optimizer = Nesterov([w], learning_rate=0.1, momentum=0.9)
    ahead = []
    for gradient in GRADIENTS:
        optimizer.step([np.array([gradient])])
        ahead.append(float(optimizer.look_ahead()[0][0]))
    np.testing.assert_allclose(ahead, [0.81, 1.109, 1.1031], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "multiplier"),
    [
        (lambda w: RMSprop(w, learning_rate=1e-3, eps=1e-300), 10.0),
        (lambda w: Adam(w, learning_rate=1e-3, eps=1e-300, bias_correction=False), 3.16228),
        (lambda w: Adam(w, learning_rate=1e-3, eps=1e-300), 1.0),
        (lambda w: Adagrad(w, learning_rate=1e-3, eps=1e-300), 1.0),
    ],
)
def test_first_step_in_learning_rates(make: Make, multiplier: float) -> None:
    """Averages that begin at 0 and are not corrected make the first step too long."""
    assert -walk(make, [7.0], start=0.0)[0] / 1e-3 == pytest.approx(multiplier, rel=1e-5)


def test_steps_without_correction_peak_at_step_twelve() -> None:
    """A constant gradient: 6.5685 learning rates in step 12, and 1.2576 still in step 1000."""
    path = [0.0, *walk(lambda w: Adam(w, learning_rate=1.0, bias_correction=False), [1.0] * 1000)]
    path[1:] = [p - 1 for p in path[1:]]
    lengths = -np.diff(path)
    assert int(lengths.argmax()) + 1 == 12
    assert lengths.max() == pytest.approx(6.5685, abs=5e-5)
    assert lengths[-1] == pytest.approx(1.2576, abs=5e-5)
    corrected = np.diff([0.0, *walk(lambda w: Adam(w, learning_rate=1.0), [1.0] * 50, start=0.0)])
    np.testing.assert_allclose(corrected, -1.0, rtol=1e-7)


def test_adagrad_slows_down_as_one_over_the_root_of_the_steps() -> None:
    path = [0.0, *walk(lambda w: Adagrad(w, learning_rate=1.0), [3.0] * 100, start=0.0)]
    np.testing.assert_allclose(-np.diff(path), 1 / np.sqrt(np.arange(1, 101)), rtol=1e-8)


def test_adagrad_keeps_its_rate_when_gradients_are_summable() -> None:
    """It decays to zero only if the sum of the squares grows without bound."""
    w = np.array([0.0])
    optimizer = Adagrad([w], learning_rate=1.0)
    for step in range(200):
        optimizer.step([np.array([0.5**step])])
    assert 1 / np.sqrt(optimizer.state[0]["second_moment"][0]) == pytest.approx(np.sqrt(3) / 2)
