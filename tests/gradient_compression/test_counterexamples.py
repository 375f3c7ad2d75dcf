"""The failures fail by the numbers, and memory mends them; section G of the reference numbers."""

import numpy as np
import pytest

from mlsys_lib.comm import simulate
from mlsys_lib.gradient_compression.counterexamples import (
    PULL,
    released_probabilities,
    rounded_descent,
    skewed_noise,
    tug_of_war,
)
from mlsys_lib.gradient_compression.memory import ErrorFeedback, NoMemory
from mlsys_lib.gradient_compression.topk import TopK
from mlsys_lib.gradient_compression.training import train_compressed


def pulls(weights: np.ndarray, step: int, rank: int) -> np.ndarray:
    return np.array([PULL if rank == 0 else -PULL, weights[1]])


def test_top_one_of_two_workers_is_stuck_and_with_memory_is_not() -> None:
    stuck = tug_of_war((NoMemory(), NoMemory()))
    assert np.all(stuck == [2.0, 1.0])
    mended = tug_of_war((ErrorFeedback(), ErrorFeedback()))
    np.testing.assert_allclose(mended[-1], [2.0, -0.065], atol=5e-4)
    assert mended[0].tolist() == [2.0, 1.0] and len(mended) == 301


@pytest.mark.parametrize("memory", [NoMemory(), ErrorFeedback()])
def test_the_tug_of_war_is_training_with_top_one_on_two_ranks(memory: NoMemory) -> None:
    task = (pulls, np.array([2.0, 1.0]), TopK(1), memory, 0.05, 300)
    trained = simulate(train_compressed, 2, *task).results[0]
    fresh = type(memory)(), type(memory)()
    np.testing.assert_allclose(trained.history, tug_of_war(fresh), atol=1e-6)


def test_the_sign_of_skewed_noise_climbs_and_with_memory_descends() -> None:
    wrong, right = skewed_noise(NoMemory()), skewed_noise(ErrorFeedback())
    assert wrong[-1] == pytest.approx(5.38, abs=1e-9)
    draws = np.where(np.random.default_rng(0).random(1000) < 0.25, 4.0, -1.0)
    assert wrong[-1] == pytest.approx(-0.01 * np.sign(draws).sum())
    assert right[-1] == pytest.approx(-0.01 * draws.sum(), abs=0.1)  # but for what is remembered


def test_climbing_is_no_accident_of_the_seed() -> None:
    """The mean of the sign is -1/2, so 1000 steps of .01 climb 5; standard deviation .27."""
    ends = [skewed_noise(NoMemory(), seed=seed)[-1] for seed in range(20)]
    assert min(ends) > 5 - 5 * 0.28 and np.mean(ends) == pytest.approx(5, abs=0.3)
    assert all(skewed_noise(ErrorFeedback(), seed=seed)[-1] < 0 for seed in range(20))


def test_rounding_to_the_nearest_has_a_floor_and_chance_or_memory_has_none() -> None:
    floor = np.abs(rounded_descent("nearest", NoMemory()))
    assert 0.4 < floor[-1].mean() <= floor[-1].max() <= 0.5
    np.testing.assert_array_equal(floor[-1], floor[100])
    for rounding, memory in [("by chance", NoMemory()), ("nearest", ErrorFeedback())]:
        assert np.abs(rounded_descent(rounding, memory)[-1]).max() <= 0.1


def test_rounding_by_chance_is_right_in_the_mean() -> None:
    """The first step of 400 runs against w (1 - η)."""
    steps = [rounded_descent("by chance", NoMemory(), 1, seed=seed)[1] for seed in range(400)]
    np.testing.assert_allclose(np.mean(steps, axis=0), 0.9 * np.linspace(-3, 3, 32), atol=0.016)


def test_a_smaller_learning_rate_does_not_lower_the_floor() -> None:
    ends = [
        np.abs(rounded_descent("nearest", NoMemory(), int(30 / rate), rate)[-1]).mean()
        for rate in (0.2, 0.1, 0.02)
    ]
    assert min(ends) > 0.38


@pytest.mark.parametrize("memory", [NoMemory, ErrorFeedback])
def test_one_step_is_enough_and_bad_input_is_refused(memory: type) -> None:
    assert tug_of_war((memory(), memory()), 1).shape == (2, 2)
    assert skewed_noise(memory(), 1).shape == (2,)
    assert rounded_descent("nearest", memory(), 1).shape == (2, 32)
    for call, words in [
        (lambda: tug_of_war((memory(), memory()), 0), "num_steps must be an integer >= 1, got 0"),
        (lambda: skewed_noise(memory(), 5, -1.0), "learning_rate must be finite and > 0, got -1"),
        (lambda: rounded_descent("up", memory()), "rounding must be one of 'nearest', 'by chance'"),
        (lambda: skewed_noise(memory(), seed=-1), "seed must be an integer >= 0, got -1"),
        (lambda: released_probabilities(np.ones(2), 0), "budget must be finite and > 0, got 0"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()
