"""LAMB, LARS and Lion: written out again from the papers, and the laws that they are made for."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.optimizers import LAMB, LARS, Adam, Lion
from tests.optimizers.problems import Arrays, arrays, assert_equal, gradients, walk

SHAPES: list[tuple[int, ...]] = [(), (7,), (3, 4), (2, 3, 4)]
STEPS = list(gradients(SHAPES, 8))
RATES = [0.1 / (1 + step) for step in range(8)]


def lamb_of_the_paper(
    weights: Arrays, steps: list[Arrays], rates: list[float], decay: float
) -> Arrays:
    """Algorithm 2, number by number."""
    out = []
    for i, w in enumerate(weights):
        w, m, v = w.copy(), np.zeros_like(w), np.zeros_like(w)
        for t, (step, rate) in enumerate(zip(steps, rates, strict=True), 1):
            g = step[i]
            m = 0.9 * m + (1 - 0.9) * g
            v = 0.999 * v + (1 - 0.999) * g**2
            r = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-6)
            r = r + decay * w
            w = w - rate * np.sqrt((w**2).sum()) / np.sqrt((r**2).sum()) * r
        out.append(np.asarray(w))
    return out


def lars_of_the_paper(
    weights: Arrays, steps: list[Arrays], rates: list[float], decay: float
) -> Arrays:
    """Algorithm 1; γ is the global rate, η = 0.02 the trust."""
    out = []
    for i, w in enumerate(weights):
        w, v = w.copy(), np.zeros_like(w)
        for step, rate in zip(steps, rates, strict=True):
            g = step[i]
            size = np.sqrt((w**2).sum())
            local = 0.02 * size / (np.sqrt((g**2).sum()) + decay * size)
            v = 0.9 * v + rate * local * (g + decay * w)
            w = w - v
        out.append(np.asarray(w))
    return out


def lion_of_the_paper(
    weights: Arrays, steps: list[Arrays], rates: list[float], decay: float
) -> Arrays:
    """Program 1, with its interpolations as lines of their own."""
    out = []
    for i, w in enumerate(weights):
        w, m = w.copy(), np.zeros_like(w)
        for step, rate in zip(steps, rates, strict=True):
            g = step[i]
            update = np.sign(m * 0.9 + g * (1 - 0.9))
            m = m * 0.99 + g * (1 - 0.99)
            update = update + w * decay
            w = w - update * rate
        out.append(np.asarray(w))
    return out


PAPERS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "LAMB": (LAMB, lamb_of_the_paper, {}),
    "LARS": (LARS, lars_of_the_paper, {"trust": 0.02}),
    "Lion": (Lion, lion_of_the_paper, {}),
}


def check_paper(ours: Any, name: str) -> None:
    """Several steps with changing rates, with and without decay, are the paper's."""
    _, paper, options = PAPERS[name]
    for decay in (0.0, 0.3):
        expected = paper(arrays(SHAPES, 0), STEPS, RATES, decay)
        mine = walk(ours(arrays(SHAPES, 0), weight_decay=decay, **options), STEPS, RATES)
        assert_equal(mine, expected)


@pytest.mark.parametrize("name", PAPERS)
def test_paper(name: str) -> None:
    check_paper(PAPERS[name][0], name)


def check_scale_of_gradients(make: Any) -> None:
    """A loss times a constant, another unit or loss scaling, changes no step."""
    one = walk(make(arrays(SHAPES, 0)), STEPS, RATES)
    for factor in (1e-3, 256.0):
        scaled = [[np.asarray(g * factor) for g in step] for step in STEPS]
        other = walk(make(arrays(SHAPES, 0)), scaled, RATES)
        assert_equal(other, one, 1e-9)


@pytest.mark.parametrize("make", [lambda w: LAMB(w, eps=1e-300), LARS, Lion])
def test_scale_of_gradients_does_not_matter(make: Any) -> None:
    check_scale_of_gradients(make)


@pytest.mark.parametrize("make", [LAMB, LARS])
def test_steps_are_a_share_of_the_weights(make: Any) -> None:
    """‖Δw‖ = η ‖w‖ in the first step, for each array of its own; LARS has a trust of 1e-3."""
    weights = [np.asarray(w * 10.0**i) for i, w in enumerate(arrays(SHAPES, 0))]
    before = [w.copy() for w in weights]
    make(weights, learning_rate=0.1).step(STEPS[0])
    share = 0.1 if make is LAMB else 1e-4
    for w, old in zip(weights, before, strict=True):
        assert np.linalg.norm(w - old) == pytest.approx(share * np.linalg.norm(old), rel=1e-9)


def test_lamb_of_arrays_of_zeros_is_adam() -> None:
    """‖w‖ = 0 would forbid every step."""
    zeros = [np.zeros(5)]
    walk(LAMB(zeros, learning_rate=0.1, eps=1e-8), [arrays([(5,)], 1)])
    adam = walk(Adam([np.zeros(5)], learning_rate=0.1), [arrays([(5,)], 1)])
    assert_equal(zeros, adam)


def test_lars_of_zeros_takes_the_global_rate() -> None:
    """Weights of 0, or a gradient of 0: the rule would divide 0 by 0."""
    w, g = np.zeros(3), np.array([1.0, -2.0, 0.0])
    LARS([w], learning_rate=0.5).step([g])
    np.testing.assert_allclose(w, -0.5 * g)
    still = np.ones(3)
    LARS([still], learning_rate=0.5, weight_decay=0.1).step([np.zeros(3)])
    np.testing.assert_allclose(still, 0.95)


def test_lion_moves_every_weight_by_the_rate() -> None:
    """Up, down, or where the mean is exactly 0 not at all."""
    w = np.zeros(1000)
    optimizer = Lion([w], learning_rate=0.25)
    for seed in range(5):
        before = w.copy()
        optimizer.step([np.where(np.arange(1000) < 10, 0.0, arrays([(1000,)], seed)[0])])
        assert set(np.abs(w - before)[10:].tolist()) == {0.25}
        assert not w[:10].any()


def test_lion_with_decay_stays_below_one_over_the_decay() -> None:
    """|w| ≤ 1/λ is kept: the fixed point of a constant sign is 1/λ (Chen et al., 2024)."""
    w = np.array([0.0, 2.0])
    optimizer = Lion([w], learning_rate=0.1, weight_decay=0.5)
    for _ in range(400):
        optimizer.step([np.array([-3.0, -1e-9])])
        assert np.abs(w).max() <= 2.0 + 1e-12
    np.testing.assert_allclose(w, 2.0, atol=1e-6)
