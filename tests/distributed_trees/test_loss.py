"""Derivatives by finite differences, starts at which they vanish, probabilities by hand."""

import numpy as np
import pytest

from mlsys_lib.distributed_trees.loss import Logistic, Softmax, SquaredError

LABELS = {1: np.array([0, 1, 1]), 3: np.array([0, 2, 1])}
LOSSES = [SquaredError(), Logistic(), Softmax(3)]
STEP = 1e-4


def value(loss, y: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The loss of each row, from what it means."""
    if isinstance(loss, SquaredError):
        return 0.5 * (score[:, 0] - y) ** 2
    return -np.log(loss.predict(score)[np.arange(len(y)), y])


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_are_those_of_the_loss(loss):
    y = LABELS[loss.num_outputs]
    score = np.random.default_rng(1).normal(size=(3, loss.num_outputs))
    found = loss.derivatives(y, score)
    for output in range(loss.num_outputs):
        step = np.zeros_like(score)
        step[:, output] = STEP
        up, here, down = (value(loss, y, score + sign * step) for sign in (1, 0, -1))
        np.testing.assert_allclose(found[:, output, 0], (up - down) / (2 * STEP), atol=1e-6)
        np.testing.assert_allclose(found[:, output, 1], (up - 2 * here + down) / STEP**2, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_it_begins_where_gradients_add_up_to_nothing(loss):
    y = LABELS[loss.num_outputs]
    begin = loss.begin(loss.encode(y).mean(axis=0))
    gradient = loss.derivatives(y, np.tile(begin, (3, 1)))[:, :, 0]
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-9)


def test_probabilities_by_hand():
    np.testing.assert_allclose(Logistic().predict(np.array([[np.log(3.0)]])), [[0.25, 0.75]])
    thirds = Softmax(3).predict(np.log([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(thirds, [[1 / 8, 2 / 8, 5 / 8]])
    np.testing.assert_allclose(Softmax(3).begin(np.array([0.5, 0.3, 0.2])), np.log([0.5, 0.3, 0.2]))
    rare = Logistic().begin(np.array([1e-4]))
    np.testing.assert_allclose(Logistic().predict(rare[None])[0, 1], 1e-4)


def test_scores_far_out_do_not_overflow():
    assert np.isfinite(Softmax(3).predict(np.array([[800.0, 0.0, -800.0]]))).all()
    assert np.isfinite(Logistic().predict(np.array([[-800.0], [800.0]]))).all()
    assert np.isfinite(Logistic().begin(np.array([1.0]))).all()


@pytest.mark.parametrize("loss", [Logistic(), Softmax(3)])
def test_labels_that_are_no_classes_are_refused(loss):
    with pytest.raises(ValueError, match="y must be in 0…"):
        loss.encode(np.array([0, 5]))
    with pytest.raises(
        ValueError, match="y must hold whole numbers for classes, got dtype float64"
    ):
        loss.encode(np.array([0.0, 1.0]))
