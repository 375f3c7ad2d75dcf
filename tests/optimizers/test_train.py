"""Training: equal to torch's, repeatable, and safe when it diverges."""

from typing import Any

import numpy as np
import pytest
import torch

from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.optimizers import (
    SGD,
    Adam,
    EarlyStopping,
    Network,
    Trained,
    cosine,
    train,
)
from tests.optimizers.test_network import torch_network

RNG = np.random.default_rng(5)
X = RNG.normal(size=(50, 4))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


def run(optimizer: Any = Adam, batch_norm: bool = False, **options: Any) -> tuple[Network, Trained]:
    """Train a small network from the same start."""
    network = Network([4, 8, 2], np.random.default_rng(0), batch_norm=batch_norm)
    rate = options.pop("learning_rate", 0.02)
    made = optimizer(network.weights, learning_rate=rate)
    defaults = {"num_epochs": 3, "batch_size": 16, "rng": np.random.default_rng(1)}
    return network, train(network, X, Y, made, **{**defaults, **options})


@pytest.mark.parametrize("batch_norm", [False, True])
def test_torch_ends_with_the_same_weights(batch_norm: bool) -> None:
    """The same batches in the same order; 50 samples make batches of 16, 16, 16 and 2."""
    network, trained = run(batch_norm=batch_norm)
    start = Network([4, 8, 2], np.random.default_rng(0), batch_norm=batch_norm)
    model = torch_network(start, batch_norm)
    adam = torch.optim.Adam(model.parameters(), lr=0.02)
    rng, losses = np.random.default_rng(1), []
    for _ in range(3):
        order = rng.permutation(50)
        for first in range(0, 50, 16):
            batch = order[first : first + 16]
            adam.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                model(torch.from_numpy(X[batch])), torch.from_numpy(Y[batch])
            )
            loss.backward()
            adam.step()
            losses.append(loss.item())
    np.testing.assert_allclose(trained.losses, losses, rtol=1e-8)
    # With batch normalization the gradient of a bias before it is rounding alone. Adam takes its
    # sign, so such biases differ, and with them the running means.
    if not batch_norm:
        logits = model(torch.from_numpy(X)).detach().numpy()
        np.testing.assert_allclose(network.logits(X), logits, rtol=1e-8, atol=1e-10)
    assert trained.num_steps == 12 and trained.stopped == "finished"


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = run(batch_norm=True), run(batch_norm=True)
    np.testing.assert_equal(one[0].weights, other[0].weights)
    assert one[1] == other[1]


def test_a_schedule_sets_the_rate_of_each_step() -> None:
    seen: list[int] = []

    def schedule(step: int) -> float:
        seen.append(step)
        return cosine(0.1, 12)(step)

    run(schedule=schedule)
    assert seen == list(range(12))


def test_early_stopping_leaves_the_best_weights() -> None:
    """Random labels cannot be learned: the validation loss rises soon."""
    rng = np.random.default_rng(3)
    validation = rng.normal(size=(40, 4)), rng.integers(0, 2, 40)
    network, trained = run(
        batch_norm=True,
        num_epochs=200,
        learning_rate=0.1,
        validation=validation,
        early_stopping=EarlyStopping(patience=3),
    )
    best = int(np.argmin(trained.validation_losses))
    assert trained.stopped == "early"
    assert len(trained.validation_losses) == best + 4
    assert network.loss(*validation) == trained.validation_losses[best]
    assert trained.num_steps == 4 * len(trained.validation_losses)


def test_best_weights_are_left_at_a_finished_end_too() -> None:
    rng = np.random.default_rng(3)
    validation = rng.normal(size=(40, 4)), rng.integers(0, 2, 40)
    network, trained = run(
        num_epochs=15,
        learning_rate=0.1,
        validation=validation,
        early_stopping=EarlyStopping(patience=100),
    )
    assert trained.stopped == "finished"
    assert network.loss(*validation) == min(trained.validation_losses)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_divergence_ends_with_the_last_finite_weights(batch_norm: bool) -> None:
    network, trained = run(SGD, batch_norm, learning_rate=1e200, num_epochs=50)
    assert trained.stopped == "diverged"
    assert trained.num_steps == len(trained.losses) < 4 * 50
    assert np.isfinite(trained.losses).all()
    assert all(np.isfinite(w).all() for w in [*network.weights, *network.statistics])


def test_divergence_after_good_epochs_keeps_the_best_of_them() -> None:
    validation = X, Y
    network, trained = run(
        SGD,
        num_epochs=9,
        schedule=lambda step: 0.05 if step < 8 else 1e300,
        validation=validation,
        early_stopping=EarlyStopping(patience=9),
    )
    assert trained.stopped == "diverged" and len(trained.validation_losses) == 2
    assert network.loss(*validation) == min(trained.validation_losses)


def test_a_last_batch_of_one_is_left_out_for_batch_normalization() -> None:
    assert run(batch_norm=True, batch_size=7)[1].num_steps == 3 * 7  # 50 = 7 · 7 + 1
    assert run(batch_norm=False, batch_size=7)[1].num_steps == 3 * 8


@pytest.mark.parametrize("batch_norm", [False, True])
def test_learns_fashion_mnist(batch_norm: bool) -> None:
    """A part of it: 800 images, two epochs, far above the tenth of guessing."""
    X_train, y_train, X_test, y_test = fashion_mnist()
    network = Network([784, 32, 10], np.random.default_rng(0), batch_norm=batch_norm)
    trained = train(
        network, X_train[:800] / 255, y_train[:800],
        Adam(network.weights, learning_rate=0.005),
        num_epochs=4, batch_size=50, rng=np.random.default_rng(0),
    )  # fmt: skip
    assert trained.num_steps == 64
    assert network.accuracy(X_test[:500] / 255, y_test[:500]) > 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_epochs": 0}, "num_epochs must be an integer >= 1, got 0"),
        ({"batch_size": 0}, "batch_size must be an integer in 1…50, got 0"),
        ({"batch_size": 51}, "batch_size must be an integer in 1…50, got 51"),
        ({"early_stopping": EarlyStopping(2)}, "early_stopping must come with validation data"),
        ({"batch_norm": True, "batch_size": 1}, "batch_size must be an integer in 2…50, got 1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(**options)


def test_an_optimizer_of_other_weights_is_refused() -> None:
    """It would train arrays that nobody reads."""
    network = Network([4, 8, 2], np.random.default_rng(0))
    other = Adam([w.copy() for w in network.weights])
    with pytest.raises(ValueError, match=r"optimizer must hold network\.weights"):
        train(network, X, Y, other, num_epochs=1, batch_size=5, rng=np.random.default_rng(0))


def test_weights_that_overflow_in_the_step_are_taken_back() -> None:
    """The loss was finite and so was the gradient: the weights alone tell."""
    network = Network([4, 2], np.random.default_rng(0))
    before = [w.copy() for w in network.weights]
    sgd = SGD(network.weights, learning_rate=1e308)
    trained = train(
        network, X * 1000, Y, sgd, num_epochs=1, batch_size=50, rng=np.random.default_rng(0)
    )
    assert trained.stopped == "diverged" and trained.num_steps == 0
    np.testing.assert_equal(network.weights, before)
