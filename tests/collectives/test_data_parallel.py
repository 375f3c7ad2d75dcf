"""Data-parallel training on real digits equals one worker with the whole batch."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import (
    ALL_REDUCES,
    Training,
    parameter_server_all_reduce,
    shard_gradient,
    softmax_gradient,
    train_data_parallel,
)
from mlsys_lib.collectives.chunks import chunk_sizes
from mlsys_lib.comm import ProcessPool, RankError, simulate
from mlsys_lib.datasets import digits
from tests.conftest import Machine

EPOCHS, RATE = 20, 0.5
# The gradient is a sum over 1797 samples, added up in another order: relative differences of
# 1e-15 a step, which gradient descent on a convex loss does not amplify.
TOLERANCE = 1e-10
EVERY = {**ALL_REDUCES, "parameter server": parameter_server_all_reduce}
every = pytest.mark.parametrize("all_reduce", EVERY.values(), ids=EVERY)


@lru_cache
def one_worker() -> np.ndarray:
    """Return the weights of plain gradient descent, written without the library's trainer."""
    X, y = digits()
    weights = np.zeros((64, 10))
    for _ in range(EPOCHS):
        weights -= RATE / len(y) * softmax_gradient(weights, X, y)[1]
    return weights


def check_equals_one_worker(machine: Machine, train: Callable[..., Any], **kwargs: Any) -> None:
    """All replicas are bitwise equal, and equal to one worker's up to rounding."""
    X, y = digits()
    results = machine.run(train, X, y, EPOCHS, RATE, **kwargs).results
    replicas = [result.weights if isinstance(result, Training) else result for result in results]
    assert len({weights.tobytes() for weights in replicas}) == 1
    scale = np.abs(one_worker()).max()
    np.testing.assert_allclose(replicas[0], one_worker(), rtol=0, atol=TOLERANCE * scale)


@every
@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 7, 8])
def test_simulated(world_size: int, all_reduce: Callable[..., np.ndarray]) -> None:
    machine = Machine(world_size, None)
    check_equals_one_worker(machine, train_data_parallel, all_reduce=all_reduce)


@every
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_processes(
    pool: ProcessPool, world_size: int, all_reduce: Callable[..., np.ndarray]
) -> None:
    machine = Machine(world_size, pool)
    check_equals_one_worker(machine, train_data_parallel, all_reduce=all_reduce)


@pytest.mark.parametrize("batch_size", [100, 999, 3])
def test_mini_batches_do_not_depend_on_the_workers(batch_size: int) -> None:
    """The last batch is smaller, and a batch of three leaves workers without a sample."""
    X, y = (data[:300] for data in digits())
    runs = [
        simulate(train_data_parallel, world_size, X, y, 2, 0.1, batch_size=min(batch_size, 300))
        for world_size in (1, 4, 7)
    ]
    alone = runs[0].results[0]
    for run in runs:
        for replica in run.results:
            np.testing.assert_allclose(replica.weights, alone.weights, rtol=0, atol=1e-12)
            np.testing.assert_allclose(replica.loss, alone.loss, rtol=1e-12)
            assert replica.num_steps == alone.num_steps == 2 * -(-300 // min(batch_size, 300))


def test_training_learns() -> None:
    X, y = digits()
    training = simulate(train_data_parallel, 4, X, y, 60, 1.0).results[0]
    assert all(later < earlier for earlier, later in pairwise(training.loss))
    assert np.mean((X @ training.weights).argmax(axis=1) == y) > 0.93


def test_target_loss_stops_every_rank_in_the_same_epoch() -> None:
    X, y = digits()
    results = simulate(train_data_parallel, 3, X, y, 50, 1.0, target_loss=0.8).results
    assert len({result.loss for result in results}) == 1
    loss = results[0].loss
    assert loss[-1] <= 0.8 < loss[-2] and len(loss) < 50


def test_gradient_is_the_slope_of_the_loss() -> None:
    """Central differences on every weight of a small model."""
    rng = np.random.default_rng(0)
    X, y, weights = rng.normal(size=(9, 3)), rng.integers(0, 4, 9), rng.normal(size=(3, 4))
    _, gradient = softmax_gradient(weights, X, y)
    for at in np.ndindex(*weights.shape):
        step = np.zeros_like(weights)
        step[at] = 1e-5
        losses = [softmax_gradient(weights + sign * step, X, y)[0] for sign in (1, -1)]
        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(gradient[at], abs=1e-7)


def test_no_samples_have_no_loss_and_no_slope() -> None:
    loss, gradient = softmax_gradient(np.ones((3, 4)), np.empty((0, 3)), np.empty(0, int))
    assert loss == 0 and not gradient.any() and gradient.shape == (3, 4)


def test_huge_scores_do_not_overflow() -> None:
    loss, gradient = softmax_gradient(np.eye(2) * 1e4, np.eye(2), np.array([0, 1]))
    assert loss == 0 and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones(4)}, r"X must be finite, of shape .*, got \(4,\)"),
        ({"X": np.array([[np.nan]] * 4)}, "X must be finite"),
        (
            {"y": np.zeros(3, int)},
            r"y must hold a class .* for each of 4 samples, got int64 \(3,\)",
        ),
        ({"y": np.zeros(4)}, "y must hold a class .* got float64"),
        ({"y": np.array([0, 1, -1, 0])}, "y must hold a class"),
        ({"num_epochs": 0}, "num_epochs must be an integer >= 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0, got 0.0"),
        ({"batch_size": 5}, "batch_size must be an integer in 1…4, got 5"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
    call = {"X": np.ones((4, 2)), "y": np.array([0, 1, 0, 1]), "num_epochs": 1}
    with pytest.raises(Exception, match=message) as caught:
        simulate(train_data_parallel, 2, **{**call, "learning_rate": 0.1, **change})
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("num_workers", [1, 3, 7])
def test_shard_gradients_weighted_by_their_rows_make_the_whole(num_workers: int) -> None:
    X, y = digits()
    weights = np.random.default_rng(0).standard_normal(640)
    gradient = shard_gradient(X, y, num_workers)
    sizes = chunk_sizes(len(y), num_workers)
    parts = [size * gradient(worker, 0, weights) for worker, size in enumerate(sizes)]
    whole = softmax_gradient(weights.reshape(64, 10), X, y)[1].ravel()
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-9, atol=1e-9)


def test_a_shard_without_rows_has_no_gradient() -> None:
    X, y = digits()
    assert not shard_gradient(X[:2], y[:2], 3)(2, 0, np.ones(640)).any()


def test_evaluation_does_not_change_the_training() -> None:
    """More looks at the loss, the same steps; a look every epoch is every ninth of nine."""
    X, y = digits()
    often = simulate(train_data_parallel, 2, X, y, 2, 1.0, 200, evaluate_every=3).results[0]
    seldom = simulate(train_data_parallel, 2, X, y, 2, 1.0, 200).results[0]
    np.testing.assert_array_equal(often.weights, seldom.weights)
    assert often.loss[2::3] == seldom.loss
    assert len(often.loss) == 6


def test_training_stops_at_the_first_evaluation_at_the_target() -> None:
    X, y = digits()
    trained = simulate(
        train_data_parallel, 1, X, y, 9, 2.0, 64, target_loss=0.5, evaluate_every=2
    ).results[0]
    assert trained.loss[-1] <= 0.5 < min(trained.loss[:-1])
    assert trained.num_steps == 2 * len(trained.loss)


def test_evaluating_never_is_refused() -> None:
    X, y = digits()
    with pytest.raises(RankError, match="evaluate_every must be an integer >= 1, got 0"):
        simulate(train_data_parallel, 1, X, y, 1, 1.0, evaluate_every=0)
