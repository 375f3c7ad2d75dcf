"""The digits are all there, in the range and order that the chapters rely on."""

import numpy as np

from mlsys_lib.datasets import digits


def test_shapes_ranges_and_classes() -> None:
    X, y = digits()
    assert (X.shape, X.dtype) == ((1797, 64), np.float64)
    assert (y.shape, y.dtype) == ((1797,), np.int64)
    assert X.min() == 0 and X.max() == 1
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_each_call_gives_an_array_of_its_own() -> None:
    X, y = digits()
    X[:], y[:] = -1, -1
    again, labels = digits()
    assert again.min() == 0 and labels.min() == 0
