"""Batch normalization is torch's, forwards and backwards, in training and in evaluation."""

from typing import Any

import numpy as np
import pytest
import torch

from mlsys_lib.optimizers import BatchNorm
from tests.optimizers.problems import arrays

SHAPES = [(2, 3), (7, 3), (5, 3, 4), (1, 3, 6), (4, 3, 2, 5)]


def torch_layer(ndim: int, **options: Any) -> torch.nn.Module:
    """Return torch's layer for inputs with this many axes."""
    kinds = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}
    return kinds[ndim](3, dtype=torch.float64, **options)


def set_weights(layer: BatchNorm, theirs: torch.nn.Module) -> None:
    scale, shift = arrays([(3,), (3,)], 77)
    layer.scale[:], layer.shift[:] = scale, shift
    with torch.no_grad():
        theirs.weight.copy_(torch.from_numpy(scale))
        theirs.bias.copy_(torch.from_numpy(shift))


def check_torch(make: Any, shape: tuple[int, ...], training: bool, **options: Any) -> None:
    """Outputs, three gradients and running statistics, over three batches."""
    layer, theirs = make(3, **options), torch_layer(len(shape), **options)
    set_weights(layer, theirs)
    theirs.train(True)
    for seed in range(3):
        x, g = arrays([shape, shape], seed)
        x = 5 * x + 2
        now = training or seed == 0  # statistics of one batch at least
        theirs.train(now)
        leaf = torch.from_numpy(x.copy()).requires_grad_()
        theirs.zero_grad()
        y = theirs(leaf)
        y.backward(torch.from_numpy(g))
        close = {"rtol": 1e-12, "atol": 1e-12}
        np.testing.assert_allclose(layer.forward(x, training=now), y.detach().numpy(), **close)
        found = layer.backward(g)
        expected = leaf.grad, theirs.weight.grad, theirs.bias.grad
        for mine, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, other.numpy(), **close)
        np.testing.assert_allclose(layer.running_mean, theirs.running_mean.numpy(), **close)
        np.testing.assert_allclose(layer.running_variance, theirs.running_var.numpy(), **close)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_torch(shape: tuple[int, ...], training: bool) -> None:
    check_torch(BatchNorm, shape, training)


def test_options_of_torch() -> None:
    check_torch(BatchNorm, (7, 3), True, momentum=0.37, eps=0.5)
    check_torch(BatchNorm, (7, 3), False, momentum=1.0, eps=1e-3)


def test_outputs_have_mean_zero_and_variance_one() -> None:
    x = arrays([(50, 3)], 0)[0] * 7 + 100
    y = BatchNorm(3, eps=1e-12).forward(x)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=0), 1, rtol=1e-10)


def test_scale_and_origin_of_the_input_do_not_matter() -> None:
    (x,) = arrays([(9, 3)], 0)
    one = BatchNorm(3, eps=1e-12).forward(x)
    other = BatchNorm(3, eps=1e-12).forward(x * 4.0 + np.array([1.0, -2.0, 3.0]))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_gradient_of_the_input_sums_to_zero() -> None:
    """Adding a constant to a feature changes no output, nor does scaling it about its mean."""
    x, g = arrays([(9, 3), (9, 3)], 0)
    layer = BatchNorm(3, eps=1e-12)
    y = layer.forward(x)
    dx = layer.backward(g)[0]
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((dx * y).sum(axis=0), 0, atol=1e-9)


def test_momentum_is_the_share_of_the_new_value() -> None:
    """And the running variance is the unbiased one: 0.9 · 1 + 0.1 · 8 for 1, 5."""
    layer = BatchNorm(1)
    layer.forward(np.array([[1.0], [5.0]]))
    assert layer.running_mean[0] == pytest.approx(0.1 * 3.0)
    assert layer.running_variance[0] == pytest.approx(0.9 + 0.1 * 8.0)


def test_evaluation_changes_no_statistics_and_takes_one_sample_or_none() -> None:
    layer = BatchNorm(3)
    layer.forward(arrays([(8, 3)], 0)[0])
    mean, variance = layer.running_mean.copy(), layer.running_variance.copy()
    for size in (0, 1, 5):
        (x,) = arrays([(size, 3)], 1)
        expected = (x - mean) / np.sqrt(variance + 1e-5)
        np.testing.assert_allclose(layer.forward(x, training=False), expected, rtol=1e-12)
        assert layer.backward(x)[0].shape == x.shape
    np.testing.assert_array_equal(layer.running_mean, mean)
    np.testing.assert_array_equal(layer.running_variance, variance)


def test_a_constant_feature_becomes_the_shift() -> None:
    layer = BatchNorm(3)
    layer.shift[:] = 5.0
    np.testing.assert_array_equal(layer.forward(np.full((4, 3), 7.0)), 5.0)
    assert np.isfinite(layer.backward(np.ones((4, 3)))[0]).all()


def test_single_precision_stays() -> None:
    layer = BatchNorm(3, dtype=np.float32)
    x = arrays([(8, 3)], 0, np.float32)[0]
    assert layer.forward(x).dtype == layer.running_variance.dtype == np.float32
    assert all(g.dtype == np.float32 for g in layer.backward(x))


@pytest.mark.parametrize("size", [0, 1])
def test_a_batch_of_one_is_refused_in_training(size: int) -> None:
    layer = BatchNorm(3)
    message = (
        f"x must have at least 2 samples a feature in training, got {size}: "
        "one sample minus its own mean is 0"
    )
    with pytest.raises(ValueError, match=message):
        layer.forward(np.ones((size, 3)))
    assert not layer.running_mean.any() and (layer.running_variance == 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BatchNorm(0), "num_features must be an integer >= 1, got 0"),
        (lambda: BatchNorm(3, momentum=0), "momentum must be finite and > 0, got 0"),
        (lambda: BatchNorm(3, momentum=1.5), r"momentum must be in \(0, 1\], got 1.5"),
        (lambda: BatchNorm(3, eps=0), "eps must be finite and > 0, got 0"),
        (
            lambda: BatchNorm(3).forward(np.ones((4, 2))),
            r"x must have shape \(n, 3, \.\.\.\), got \(4, 2\)",
        ),
        (lambda: BatchNorm(3).forward(np.ones(3)), r"x must have shape \(n, 3, \.\.\.\)"),
        (lambda: BatchNorm(3).backward(np.ones((4, 3))), "backward must come after a forward pass"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_gradient_of_another_shape_is_refused() -> None:
    layer = BatchNorm(3)
    layer.forward(np.ones((4, 3)))
    message = r"gradient must have shape \(4, 3\), got \(5, 3\)"
    with pytest.raises(ValueError, match=message):
        layer.backward(np.ones((5, 3)))
