import numpy as np
import pytest
import torch

from mlsys_lib.federated_learning.model import LeastSquares, Model, NetworkModel, SoftmaxRegression

RNG = np.random.default_rng(0)
X, LABELS, NUMBERS = RNG.normal(size=(7, 4)), RNG.integers(0, 3, 7), RNG.normal(size=7)
MODELS = {
    "least squares": (LeastSquares(4), NUMBERS),
    "least squares, penalty": (LeastSquares(4, 0.3), NUMBERS),
    "softmax": (SoftmaxRegression(4, 3), LABELS),
    "softmax, penalty": (SoftmaxRegression(4, 3, 0.3), LABELS),
    "network": (NetworkModel([4, 5, 3]), LABELS),
}
each_model = pytest.mark.parametrize(("model", "y"), MODELS.values(), ids=MODELS)


def torch_loss(model: Model, weights: torch.Tensor, y: np.ndarray) -> torch.Tensor:
    x = torch.tensor(X)
    if isinstance(model, LeastSquares):
        penalty = model.penalty / 2 * (weights**2).sum()
        return 0.5 * ((x @ weights - torch.tensor(y)) ** 2).mean() + penalty
    if isinstance(model, SoftmaxRegression):
        matrix = weights.reshape(5, 3)
        loss = torch.nn.functional.cross_entropy(x @ matrix[:4] + matrix[4], torch.tensor(y))
        return loss + model.penalty / 2 * (matrix[:4] ** 2).sum()
    first, bias, last, end = torch.split(weights, [20, 5, 15, 3])
    hidden = torch.relu(x @ first.reshape(5, 4).T + bias)
    return torch.nn.functional.cross_entropy(hidden @ last.reshape(3, 5).T + end, torch.tensor(y))


@each_model
def test_loss_and_gradient_are_those_of_torch(model: Model, y: np.ndarray) -> None:
    weights = RNG.normal(size=model.num_weights)
    tensor = torch.tensor(weights, requires_grad=True)
    loss = torch_loss(model, tensor, y)
    loss.backward()
    assert model.loss(weights, X, y) == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(model.gradient(weights, X, y), tensor.grad.numpy(), atol=1e-13)


@each_model
def test_a_loss_is_a_mean_so_that_examples_told_twice_change_nothing(
    model: Model, y: np.ndarray
) -> None:
    """A sum would double; then clients count by the square of their examples."""
    weights = RNG.normal(size=model.num_weights)
    twice, labels = np.concatenate([X, X]), np.concatenate([y, y])
    assert model.loss(weights, twice, labels) == pytest.approx(model.loss(weights, X, y), rel=1e-13)
    np.testing.assert_allclose(
        model.gradient(weights, twice, labels), model.gradient(weights, X, y), atol=1e-14
    )


@each_model
def test_arguments_stay_and_one_example_is_enough(model: Model, y: np.ndarray) -> None:
    weights = RNG.normal(size=model.num_weights)
    before = weights.copy(), X.copy(), y.copy()
    gradient = model.gradient(weights, X[:1], y[:1])
    assert gradient.shape == (model.num_weights,)
    assert model.predict(weights, X[:1]).shape == (1,)
    model.loss(weights, X, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, (weights, X, y), strict=True))


def test_a_client_of_one_class_and_a_model_of_one_class_work() -> None:
    model = SoftmaxRegression(4, 1)
    assert model.loss(np.ones(5), X, np.zeros(7, int)) == 0
    np.testing.assert_allclose(model.gradient(np.ones(5), X, np.zeros(7, int)), 0)
    gradient = SoftmaxRegression(4, 3).gradient(np.zeros(15), X, np.full(7, 2))
    np.testing.assert_allclose(gradient[-3:], [1 / 3, 1 / 3, -2 / 3])


def test_large_logits_do_not_overflow() -> None:
    model, weights = SoftmaxRegression(4, 3), np.full(15, 1e5)
    weights[::3] = -1e5
    assert np.isfinite(model.loss(weights, X, LABELS))
    assert np.isfinite(model.gradient(weights, X, LABELS)).all()


def test_the_bias_is_not_penalised() -> None:
    model, weights = SoftmaxRegression(4, 3, 2.0), np.zeros(15)
    weights[-3:] = 5
    plain = SoftmaxRegression(4, 3)
    assert model.loss(weights, X, LABELS) == plain.loss(weights, X, LABELS)


def test_a_networks_weights_are_not_kept_between_calls() -> None:
    model = NetworkModel([4, 5, 3])
    one, other = (model.initial(np.random.default_rng(s)) for s in (0, 1))
    before = model.loss(one, X, LABELS)
    assert model.loss(other, X, LABELS) != before
    assert model.loss(one, X, LABELS) == before
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LeastSquares(0), "num_features must be an integer >= 1, got 0"),
        (lambda: LeastSquares(1, -1.0), "penalty must be finite and >= 0, got -1"),
        (lambda: SoftmaxRegression(4, 0), "num_classes must be an integer >= 1, got 0"),
        (
            lambda: LeastSquares(3).loss(np.zeros(3), X, NUMBERS),
            r"X must have shape \(n, 3\), got \(7, 4\)",
        ),
        (
            lambda: SoftmaxRegression(4, 2).loss(np.zeros(10), X, np.arange(7)),
            "y must hold classes 0…1, got 0…6",
        ),
        (
            lambda: SoftmaxRegression(4, 2).loss(np.zeros(10), X, np.arange(7) - 6),
            "y must hold classes 0…1, got -6…0",
        ),
        (
            lambda: SoftmaxRegression(4, 2).loss(np.zeros(10), X, NUMBERS),
            "y must hold integers, got float64",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
