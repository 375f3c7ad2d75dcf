"""The bundled images are the ones that the chapters rely on."""

import numpy as np

from mlsys_lib.datasets import fashion_mnist, patch_differences
from mlsys_lib.datasets.fashion_mnist import CLASSES


def test_shapes_and_classes() -> None:
    X_train, y_train, X_test, y_test = fashion_mnist()
    assert (X_train.shape, X_train.dtype) == ((3000, 784), np.uint8)
    assert (X_test.shape, y_test.dtype) == ((1000, 784), np.int64)
    assert X_train.min() == 0 and X_train.max() == 255
    assert (
        np.bincount(y_train).tolist() == [300] * 10 and np.bincount(y_test).tolist() == [100] * 10
    )
    assert len(set(CLASSES)) == 10


def test_no_test_image_is_trained_on() -> None:
    X_train, _, X_test, _ = fashion_mnist()
    assert not {row.tobytes() for row in X_train} & {row.tobytes() for row in X_test}


def test_the_images_show_what_they_are_called() -> None:
    """Nearest class mean is right for two thirds: labels and images belong together."""
    X_train, y_train, X_test, y_test = fashion_mnist()
    means = np.array([X_train[y_train == c].mean(axis=0) for c in range(10)])
    distance = ((X_test[:, None, :].astype(float) - means) ** 2).sum(axis=2)
    assert 0.6 < (distance.argmin(axis=1) == y_test).mean() < 0.8


def test_a_patch_difference_is_one_of_mean_brightness() -> None:
    """Brute force over the patches that the same draws give."""
    X = fashion_mnist()[0][:3]
    table = patch_differences(X, 50, seed=1)
    rng = np.random.default_rng(1)
    means = []
    for _ in range(2):
        height, width = rng.integers(2, 10, (2, 50))
        top, left = rng.integers(0, 29 - height), rng.integers(0, 29 - width)
        patches = zip(top, left, height, width, strict=True)
        images = X.reshape(-1, 28, 28)
        means.append([images[:, t : t + h, b : b + w].mean(axis=(1, 2)) for t, b, h, w in patches])
    assert np.allclose(table, np.subtract(*means).T)
    assert np.array_equal(patch_differences(X, 0), np.empty((3, 0)))
