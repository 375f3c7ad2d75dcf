"""The network's loss and gradients are torch's."""

from typing import Any

import numpy as np
import pytest
import torch

from mlsys_lib.optimizers import Network

X = np.random.default_rng(1).normal(size=(9, 5))
Y = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0])
KINDS = [([5, 4], False), ([5, 7, 4], False), ([5, 7, 6, 4], False), ([5, 7, 6, 4], True)]


def torch_network(network: Network, batch_norm: bool) -> torch.nn.Sequential:
    """Return the same network of torch's layers, with the same weights."""
    layers: list[torch.nn.Module] = []
    last = len(network.widths) - 2
    for i in range(last + 1):
        layers.append(torch.nn.Linear(*network.widths[i : i + 2], dtype=torch.float64))
        if i < last:
            if batch_norm:
                layers.append(torch.nn.BatchNorm1d(network.widths[i + 1], dtype=torch.float64))
            layers.append(torch.nn.ReLU())
    model = torch.nn.Sequential(*layers)
    with torch.no_grad():
        for parameter, w in zip(model.parameters(), network.weights, strict=True):
            parameter.copy_(torch.from_numpy(w))
    return model


def check_torch(make: Any, widths: list[int], batch_norm: bool) -> None:
    """Loss, every gradient, and afterwards the logits in evaluation."""
    network = make(widths, np.random.default_rng(0), batch_norm=batch_norm)
    for i, w in enumerate(network.weights):  # biases and shifts that matter
        w += np.random.default_rng(i).normal(size=w.shape) / 4
    model = torch_network(network, batch_norm)
    loss, gradients = network.loss_and_gradients(X, Y)
    expected = torch.nn.functional.cross_entropy(model(torch.from_numpy(X)), torch.from_numpy(Y))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for mine, parameter in zip(gradients, model.parameters(), strict=True):
        np.testing.assert_allclose(mine, parameter.grad.numpy(), rtol=1e-11, atol=1e-14)
    model.eval()
    logits = model(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(network.logits(X), logits, rtol=1e-11, atol=1e-13)
    assert network.accuracy(X, Y) == np.mean(logits.argmax(axis=1) == Y)


@pytest.mark.parametrize(("widths", "batch_norm"), KINDS)
def test_torch(widths: list[int], batch_norm: bool) -> None:
    check_torch(Network, widths, batch_norm)


class SumInsteadOfMean(Network):
    """Gradients grow with the batch."""

    def loss_and_gradients(self, X: np.ndarray, y: np.ndarray) -> Any:
        loss, gradients = super().loss_and_gradients(X, y)
        return loss, [len(y) * g for g in gradients]


class TransposedWeights(Network):
    """Takes W as d_in × d_out where it happens to be square, else as it is."""

    def _layer(self, i: int) -> list[np.ndarray]:
        weight, bias = super()._layer(i)
        return [weight.T if weight.shape[0] == weight.shape[1] else weight, bias]


class ReluForgotten(Network):
    """Backwards through the ReLU as if it were not there."""

    def _forward(self, inputs: np.ndarray, training: bool) -> list[np.ndarray]:
        outputs = super()._forward(inputs, training)
        return [outputs[0], *[np.abs(o) + 1e-300 for o in outputs[1:-1]], outputs[-1]]


@pytest.mark.parametrize("wrong", [SumInsteadOfMean, TransposedWeights, ReluForgotten])
def test_planted_version_is_rejected(wrong: Any) -> None:
    with pytest.raises(AssertionError):
        check_torch(wrong, [5, 7, 7, 4], False)


def test_optimizers_see_the_weights_of_the_layers() -> None:
    """Scale and shift too: a change in the list is a change of the network."""
    network = Network([5, 7, 4], np.random.default_rng(0), batch_norm=True)
    before = network.logits(X)
    for w in network.weights:
        w += 0.5
    assert np.abs(network.logits(X) - before).max() > 0.1
    assert [w.shape for w in network.weights] == [(7, 5), (7,), (7,), (7,), (4, 7), (4,)]


def test_evaluation_changes_nothing_and_training_moves_the_statistics() -> None:
    network = Network([5, 7, 4], np.random.default_rng(0), batch_norm=True)
    start = [s.copy() for s in network.statistics]
    network.loss(X, Y), network.accuracy(X, Y), network.logits(X)
    np.testing.assert_equal(network.statistics, start)
    network.loss_and_gradients(X, Y)
    assert all((s != old).any() for s, old in zip(network.statistics, start, strict=True))


def test_huge_logits_do_not_overflow() -> None:
    network = Network([5, 4], np.random.default_rng(0))
    network.weights[0] *= 1e6
    loss, gradients = network.loss_and_gradients(X, Y)
    assert np.isfinite(loss) and all(np.isfinite(g).all() for g in gradients)


def test_single_precision_stays() -> None:
    network = Network([5, 7, 4], np.random.default_rng(0), batch_norm=True, dtype=np.float32)
    _, gradients = network.loss_and_gradients(X, Y)
    assert {g.dtype for g in gradients} == {np.dtype(np.float32)}
    assert {w.dtype for w in network.weights} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: Network([5], np.random.default_rng(0)), r"widths must be .*, got \[5\]"),
        (lambda n: Network([5, 0], np.random.default_rng(0)), r"widths\[1\] must be an integer"),
        (lambda n: n.logits(X[:, :4]), r"X must have shape \(n, 5\), got \(9, 4\)"),
        (lambda n: n.loss(X, Y[:4]), "y must be 9 >= 1 integers, got int64 of shape"),
        (lambda n: n.loss(X, Y * 1.0), "y must be 9 >= 1 integers, got float64"),
        (lambda n: n.loss(X, Y + 1), "y must hold classes 0…3, got 1…4"),
        (lambda n: n.loss_and_gradients(X, Y - 1), "y must hold classes 0…3, got -1…2"),
        (lambda n: n.loss(X[:0], Y[:0]), "y must be 0 >= 1 integers"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(Network([5, 7, 4], np.random.default_rng(0)))


def test_first_weights_have_variance_two_over_the_width_that_comes_in() -> None:
    """He's rule; of 40 000 numbers the variance is known to about 1 %."""
    weight = Network([400, 100, 2], np.random.default_rng(0)).weights[0]
    assert weight.var() == pytest.approx(2 / 400, rel=0.03)
    assert abs(weight.mean()) < 1e-3
