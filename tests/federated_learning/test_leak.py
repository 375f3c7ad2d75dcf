import itertools
from functools import cache

import numpy as np
import pytest

from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.federated_learning.leak import mean_gradient, recover_batch, recover_example
from mlsys_lib.federated_learning.model import SoftmaxRegression

MODEL = SoftmaxRegression(784, 10)


@pytest.fixture(scope="module")
def clothes() -> tuple[np.ndarray, np.ndarray]:
    X, y, _, _ = fashion_mnist()
    return X / 255, y


@cache
def trained(steps: int, penalty: float = 0.0) -> np.ndarray:
    """Weights after some steps of descent on every fifth image."""
    X, y, _, _ = fashion_mnist()
    model = SoftmaxRegression(784, 10, penalty)
    weights = np.zeros(model.num_weights)
    for _ in range(steps):
        weights -= 0.1 * model.gradient(weights, X[::5] / 255, y[::5])
    return weights


def of_classes(y: np.ndarray, classes: list[int], seed: int = 0, each: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.choice(np.flatnonzero(y == c), each, False) for c in classes])


def errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(found - true, axis=1) / np.linalg.norm(true, axis=1))


@pytest.mark.parametrize("steps", [0, 10, 100])
def test_a_single_image_comes_back_exactly_with_its_class(
    clothes: tuple[np.ndarray, np.ndarray], steps: int
) -> None:
    weights = trained(steps)
    for row in range(0, 3000, 97):
        X, y = clothes[0][row : row + 1], clothes[1][row : row + 1]
        leak = recover_example(MODEL, weights, MODEL.gradient(weights, X, y))
        assert errors(leak.X, X).max() < 1e-9 and leak.y.tolist() == y.tolist()
        assert leak.residual < 1e-9


@pytest.mark.parametrize("label", [0, 1])
def test_the_class_is_the_one_with_a_negative_bias_gradient(label: int) -> None:
    """Planted: the largest bias gradient. Of two classes both are as large, and the first wins."""
    model, x = SoftmaxRegression(2, 2), np.array([[3.0, 4.0]])
    gradient = model.gradient(np.zeros(6), x, np.array([label]))
    leak = recover_example(model, np.zeros(6), gradient)
    assert leak.y.tolist() == [label] and errors(leak.X, x) < 1e-12
    assert recover_batch(model, np.zeros(6), gradient, 1).y.tolist() == [label]
    assert np.abs(gradient[-2:]).argmax() == 0


@pytest.mark.parametrize("steps", [0, 100])
@pytest.mark.parametrize("multiple", [2.0, -1.0, -0.05, 1e-200])
def test_a_multiple_of_the_gradient_shows_the_image_its_class_and_that_it_worked(
    clothes: tuple[np.ndarray, np.ndarray], multiple: float, steps: int
) -> None:
    """A server that forgets to change the sign of w_i - w sees as much."""
    weights = trained(steps)
    for row in range(0, 3000, 97):
        X, y = clothes[0][row : row + 1], clothes[1][row : row + 1]
        leak = recover_example(MODEL, weights, multiple * MODEL.gradient(weights, X, y))
        assert errors(leak.X, X).max() < 1e-9 and leak.y.tolist() == y.tolist()
        assert leak.residual < 1e-9


@pytest.mark.parametrize("score", [-3.0, -0.3, 0.1, 0.7, 2.0])
@pytest.mark.parametrize("label", [0, 1])
def test_of_two_classes_a_multiple_is_taken_for_positive(label: int, score: float) -> None:
    """Both bias gradients are as large, up to rounding, which must not decide."""
    model, x, weights = SoftmaxRegression(1, 2), np.array([[2.0]]), np.array([0, 0, 0, score])
    gradient = model.gradient(weights, x, np.array([label]))
    for multiple, expected in ((3.0, label), (-1.0, 1 - label)):
        leak = recover_example(model, weights, multiple * gradient)
        assert leak.y.tolist() == [expected] and errors(leak.X, x) < 1e-12


@pytest.mark.parametrize("label", [0, 1])
def test_rounding_in_the_clients_weights_does_not_change_the_class(label: int) -> None:
    """Weights near one that moved by 1e-10 hold four digits of the change."""
    model, x, rng = SoftmaxRegression(1, 2), np.array([[0.5]]), np.random.default_rng(0)
    for start, rate in itertools.product(rng.uniform(0.1, 4, (10, 4)), (1.0, 1e-5, 1e-10)):
        returned = start - rate * model.gradient(start, x, np.array([label]))
        leak = recover_example(model, start, mean_gradient(start, returned, rate, 1))
        assert leak.y.tolist() == [label] and errors(leak.X, x) < 1e-3


def test_the_residual_tells_that_it_was_more_than_one_example(
    clothes: tuple[np.ndarray, np.ndarray],
) -> None:
    weights, rows = trained(10), of_classes(clothes[1], [0, 3, 5, 8])
    gradient = MODEL.gradient(weights, clothes[0][rows], clothes[1][rows])
    assert recover_example(MODEL, weights, gradient).residual > 0.1


def test_with_a_penalty_the_server_subtracts_what_it_knows(
    clothes: tuple[np.ndarray, np.ndarray],
) -> None:
    model = SoftmaxRegression(784, 10, penalty=0.1)
    weights, X, y = trained(5, 0.1), clothes[0][:1], clothes[1][:1]
    gradient = model.gradient(weights, X, y)
    assert errors(recover_example(model, weights, gradient).X, X) < 1e-9
    planted = recover_example(MODEL, weights, gradient)  # as if there was none
    assert errors(planted.X, X) > 1e-3


@pytest.mark.parametrize(("steps", "n"), [(0, 2), (0, 9), (1, 9), (10, 4), (100, 2)])
def test_a_batch_of_different_classes_comes_back_one_image_for_each(
    clothes: tuple[np.ndarray, np.ndarray], steps: int, n: int
) -> None:
    weights, rows = trained(steps), of_classes(clothes[1], list(range(n)), seed=n)
    X, y = clothes[0][rows], clothes[1][rows]
    leak = recover_batch(MODEL, weights, MODEL.gradient(weights, X, y), n)
    assert errors(leak.X, X).max() < 1e-8 and leak.y.tolist() == y.tolist()
    assert leak.residual < 1e-8


def test_the_ratio_alone_mixes_the_images_of_a_batch(
    clothes: tuple[np.ndarray, np.ndarray],
) -> None:
    """Planted: the formula of one example used for each class of four."""
    weights, rows = np.zeros(MODEL.num_weights), of_classes(clothes[1], [0, 3, 5, 8])
    columns = MODEL.gradient(weights, clothes[0][rows], clothes[1][rows]).reshape(785, 10)
    ratios = (columns[:-1] / columns[-1]).T[[0, 3, 5, 8]]
    assert errors(ratios, clothes[0][rows]).min() > 0.1


def test_one_gradient_step_of_a_client_is_its_gradient_and_more_steps_only_nearly(
    clothes: tuple[np.ndarray, np.ndarray],
) -> None:
    rows, worst = of_classes(clothes[1], [1, 4, 7]), {}
    for num_steps in (1, 2, 20, 200):
        local = np.zeros(MODEL.num_weights)
        for _ in range(num_steps):
            local -= 0.05 * MODEL.gradient(local, clothes[0][rows], clothes[1][rows])
        gradient = mean_gradient(np.zeros(MODEL.num_weights), local, 0.05, num_steps)
        leak = recover_batch(MODEL, np.zeros(MODEL.num_weights), gradient, 3)
        worst[num_steps] = errors(leak.X, clothes[0][rows]).max()
        assert (leak.residual < 1e-9) is (num_steps == 1)
    assert worst[1] < 1e-9 < 0.01 < worst[2] < worst[20] < worst[200]


def test_with_a_single_example_more_local_steps_hide_nothing(
    clothes: tuple[np.ndarray, np.ndarray],
) -> None:
    """Every step's gradient is a multiple of the same [x 1]."""
    X, y, local = clothes[0][:1], clothes[1][:1], np.zeros(MODEL.num_weights)
    for _ in range(50):
        local -= 0.05 * MODEL.gradient(local, X, y)
    start = np.zeros(MODEL.num_weights)
    for sent in (mean_gradient(start, local, 0.05, 50), local - start):
        leak = recover_example(MODEL, start, sent)
        assert errors(leak.X, X) < 1e-9 and leak.y.tolist() == y.tolist()
        assert leak.residual < 1e-9


def test_the_mean_over_many_shows_the_mean_of_each_class_and_no_image(
    clothes: tuple[np.ndarray, np.ndarray],
) -> None:
    start, nearest = np.zeros(MODEL.num_weights), {}
    for each in (1, 2, 50):
        rows = of_classes(clothes[1], [1, 4, 7], each=each)
        X, y = clothes[0][rows], clothes[1][rows]
        leak = recover_batch(MODEL, start, MODEL.gradient(start, X, y), 3)
        np.testing.assert_allclose(leak.X, X.reshape(3, each, 784).mean(axis=1), atol=1e-9)
        nearest[each] = min(errors(np.tile(row, (len(X), 1)), X).min() for row in leak.X)
    assert nearest[1] < 1e-9 and nearest[2] > 0.15 and nearest[50] > 0.15


def test_a_batch_with_all_classes_is_not_recovered() -> None:
    with pytest.raises(ValueError, match="num_examples must be an integer in 1…9, got 10"):
        recover_batch(MODEL, np.zeros(7850), np.zeros(7850), 10)


def test_where_the_search_fails_the_residual_says_so(
    clothes: tuple[np.ndarray, np.ndarray],
) -> None:
    """A model that is sure of its classes: the least bias gradients are no longer the labels."""
    weights, rows = 1000 * trained(10), of_classes(clothes[1], list(range(9)), seed=1)
    X, y = clothes[0][rows], clothes[1][rows]
    leak = recover_batch(MODEL, weights, MODEL.gradient(weights, X, y), 9)
    assert leak.residual > 0.1


def test_nothing_is_left_where_the_model_is_certain() -> None:
    model, weights = SoftmaxRegression(1, 2), np.array([0.0, 0.0, 800.0, 0.0])
    gradient = model.gradient(weights, np.ones((1, 1)), np.array([0]))
    assert not gradient.any()
    with pytest.raises(ValueError, match="gradient must have a bias part that is not zero"):
        recover_example(model, weights, gradient)
    with pytest.raises(ValueError, match="gradient must not be zero"):
        recover_batch(model, weights, gradient, 1)


@pytest.mark.parametrize("recover", [recover_example, lambda *a: recover_batch(*a, 2)])
def test_bad_input_is_refused(recover: object) -> None:
    good = np.ones(7850)
    for name, arguments in (("gradient", (good, good[:-1])), ("weights", (good[:3], good))):
        with pytest.raises(ValueError, match=rf"{name} must have shape \(7850,\), got"):
            recover(MODEL, *arguments)  # type: ignore[operator]
    with pytest.raises(ValueError, match="gradient must be finite"):
        recover(MODEL, good, np.full(7850, np.nan))  # type: ignore[operator]
    with pytest.raises(ValueError, match="learning_rate must be finite and > 0, got 0"):
        mean_gradient(good, good, 0, 1)
    with pytest.raises(ValueError, match="num_steps must be an integer >= 1, got 0"):
        mean_gradient(good, good, 0.1, 0)
