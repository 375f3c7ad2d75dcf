"""Public tests of what keeps training in hand: stopping, clipping and one batch's statistics."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.optimizers.clipping import expect_clipped
from mlsys_lib.grading.public.optimizers.normalizing import Layer, expect_batch_norm
from mlsys_lib.grading.public.optimizers.stopping import (
    MIN_DELTA,
    PATIENCE,
    expect_stop,
    own_curve,
)
from mlsys_lib.grading.student import own_variant

Answer = Callable[..., Any]


# -- early_stop ------------------------------------------------------------------------------------
def stops_on_your_own_curve(early_stop: Answer, student: str) -> None:
    """Your own curve, with patience 3 and min_delta 0.25."""
    rng, remark = own_variant(student, "early_stop")
    expect_stop(
        early_stop,
        own_curve(rng),
        PATIENCE,
        MIN_DELTA,
        f"{remark}A loss improves if it is below the best so far by more than min_delta; patience "
        "counts those in a row that do not. What comes after the stop has never been measured.",
    )


def outlasts_a_rise(early_stop: Answer, student: str) -> None:
    """One rise, and then a new best."""
    expect_stop(
        early_stop,
        [4.0, 3.0, 3.5, 2.0, 2.5, 2.75, 1.0],
        2,
        0.0,
        "One loss that is worse is noise: patience = 2 waits for two in a row, and an improvement "
        "starts the count anew. The stop is the step of the second. Steps count from 0.",
    )


def compares_with_the_best(early_stop: Answer, student: str) -> None:
    """Losses that beat the one before, and not the best."""
    expect_stop(
        early_stop,
        [5.0, 2.0, 6.0, 4.0, 3.0, 2.5, 1.0],
        4,
        0.0,
        "Compare with the best so far, and not with the loss before. The weights to go back to are "
        "those of the best step, not of the last.",
    )


def asks_for_more_than_min_delta(early_stop: Answer, student: str) -> None:
    """Losses lower by less than min_delta, by just that, and by more."""
    for losses in (
        [4.0, 3.75, 3.5, 3.25],
        [4.0, 3.25, 3.0, 2.75],
        [4.0, 4.25, 3.0, 3.0],
        [4.0, 3.75, 3.25, 3.25, 3.25],
    ):
        expect_stop(
            early_stop,
            losses,
            2,
            0.5,
            "Lower by min_delta is not enough: it must be more. A loss that is lower by less does "
            "not improve, and does not become the best to compare with either.",
        )


def goes_to_the_end(early_stop: Answer, student: str) -> None:
    """Losses that fall to the end, and a single loss."""
    for losses in ([3.0, 2.0, 1.0], [3.0]):
        expect_stop(
            early_stop,
            losses,
            1,
            0.0,
            "Where patience never runs out, the step of the last loss is the stop.",
        )


def does_not_take_nan_for_a_loss(early_stop: Answer, student: str) -> None:
    """NaN in the middle, at the beginning, and nothing else."""
    nan = float("nan")
    for losses in ([3.0, nan, 2.0, nan, nan], [nan, 2.0, 2.5, 1.0], [nan, nan, nan]):
        expect_stop(
            early_stop,
            losses,
            2,
            0.0,
            "NaN improves on nothing and uses patience up, like any loss that is no better. No "
            "comparison with NaN is true, so it must not become the best: nothing would beat it.",
        )


# -- clip_gradients --------------------------------------------------------------------------------
def clips_by_one_norm(clip_gradients: Answer) -> None:
    """Two arrays, with the norms 5 and 12 and together 13."""
    expect_clipped(
        clip_gradients,
        [np.array([3.0, -4.0]), np.array([[0.0, 12.0]])],
        6.5,
        "Together the arrays are one long vector, of norm 13 and neither 17 nor 169: halve it, so "
        "that it points where it did.",
    )


def leaves_short_gradients_alone(clip_gradients: Answer) -> None:
    """Gradients whose norm is below max_norm, and just at it."""
    for max_norm in (20.0, 13.0):
        expect_clipped(
            clip_gradients,
            [np.array([3.0, -4.0]), np.array([[0.0, 12.0]])],
            max_norm,
            "A short gradient is not made longer: clipping is for those above max_norm.",
        )


def clips_what_is_zero(clip_gradients: Answer) -> None:
    """Gradients that are all 0, and one array without entries."""
    idea = "A norm of 0 is below max_norm: there is no reason to divide by it."
    expect_clipped(clip_gradients, [np.zeros(2), np.zeros((2, 1))], 1.0, idea)
    expect_clipped(clip_gradients, [np.empty(0), np.array([0.0, 8.0])], 2.0)


def clips_large_single_precision(clip_gradients: Answer) -> None:
    """Two arrays of float32, with entries around 1e25."""
    expect_clipped(
        clip_gradients,
        [np.array([3e25, 0.0], np.float32), np.array([-4e25], np.float32)],
        1.0,
        "float32 ends at 3.4e38, and the square of 1e25 is beyond: square in float64. The arrays "
        "that come back have the dtype of those that went in.",
    )


# -- batch_norm_train ------------------------------------------------------------------------------
def _fresh(num_features: int) -> Layer:
    ones, zeros = np.ones(num_features), np.zeros(num_features)
    return ones, zeros, zeros, ones


def normalizes_two_rows(batch_norm_train: Answer) -> None:
    """Two rows, (1, 10) and (3, 30), and a layer that is new."""
    expect_batch_norm(
        batch_norm_train,
        np.array([[1.0, 10.0], [3.0, 30.0]]),
        _fresh(2),
        0.1,
        1e-5,
        "Take mean and variance of this batch, down the rows, for each feature: two values become "
        "-1 and 1, whatever they were.",
    )


def normalizes_as_many_rows_as_features(batch_norm_train: Answer) -> None:
    """Three rows of three features, in the middle of training."""
    layer = (
        np.array([2.0, 1.0, -1.0]),
        np.array([0.5, 0.0, 3.0]),
        np.array([1.0, -2.0, 4.0]),
        np.array([2.0, 9.0, 0.5]),
    )
    expect_batch_norm(
        batch_norm_train,
        np.array([[1.0, 5.0, -3.0], [2.0, 8.0, 0.0], [6.0, -1.0, 3.0]]),
        layer,
        0.25,
        1e-5,
        "Take mean and variance down the rows, axis 0, for each feature, and of this batch: the "
        "running ones wait for evaluation. Then scale and shift.",
    )


def normalizes_a_feature_that_hardly_varies(batch_norm_train: Answer) -> None:
    """One feature that varies by less than eps, and one that does not vary."""
    expect_batch_norm(
        batch_norm_train,
        np.array([[2.0, 5.0], [2.002, 5.0], [1.999, 5.0], [2.003, 5.0]]),
        _fresh(2),
        0.1,
        0.001,
        "Where nothing varies, eps is all there is to divide by.",
    )


def normalizes_a_single_row(batch_norm_train: Answer) -> None:
    """One row alone."""
    layer = (np.array([2.0]), np.array([-1.0]), np.array([1.0]), np.array([4.0]))
    expect_batch_norm(
        batch_norm_train,
        np.array([[7.0]]),
        layer,
        0.1,
        1e-5,
        "One row less its own mean is 0. It says nothing about a variance, as n - 1 is 0: the "
        "running variance stays.",
    )
