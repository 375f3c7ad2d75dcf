"""Public tests of a server's mean and of a client's steps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.federated_learning.averages import expect_averaged
from mlsys_lib.grading.public.federated_learning.drift import expect_trained

Answer = Callable[..., Any]


# -- weighted_mean ---------------------------------------------------------------------------------
def averages_nine_hundred_and_a_hundred(weighted_mean: Answer) -> None:
    """Two clients with 900 and 100 examples; both answer."""
    expect_averaged(
        weighted_mean,
        np.array([5.0]),
        {0: np.array([0.0]), 1: np.array([10.0])},
        [900, 100],
        "Client 1 has a tenth of the examples and a tenth of the say. Weights of n_i² would leave "
        "it 0.012 and make 0.12; one say for each client would give it a half.",
    )


def averages_three_of_five_clients(weighted_mean: Answer) -> None:
    """Five clients, three of which answer, in any order."""
    expect_averaged(
        weighted_mean,
        np.array([1.0, -7.0]),
        {4: np.array([3.0, 8.0]), 1: np.array([-1.0, 4.0]), 2: np.array([0.0, 2.0])},
        [40, 2, 5, 80, 3],
        "Client i has num_examples[i], wherever it stands in updates. Divide by the examples of "
        "those who answered, so that the shares sum to one: who has not answered has no say, not "
        "even for the old weights.",
    )


def leaves_out_what_is_not_finite(weighted_mean: Answer) -> None:
    """Four answers, one with NaN and one with infinity."""
    expect_averaged(
        weighted_mean,
        np.array([0.0, 0.0]),
        {
            0: np.array([1.0, 2.0]),
            1: np.array([np.nan, 9.0]),
            2: np.array([4.0, -1.0]),
            3: np.array([6.0, -np.inf]),
        },
        [1, 3, 2, 4],
        "An update with a number that is not finite is left out whole, NaN or infinity, and its "
        "examples are not counted either.",
    )


def keeps_the_weights_if_nobody_answers(weighted_mean: Answer) -> None:
    """No answer at all; then only one, which is NaN."""
    for updates in ({}, {1: np.array([np.nan, 1.0])}):
        expect_averaged(
            weighted_mean,
            np.array([3.0, -2.0]),
            updates,
            [4, 6],
            "A round that brings nothing changes nothing: return the weights w.",
        )


# -- local_steps -----------------------------------------------------------------------------------
def first_step_feels_no_leash(local_steps: Answer) -> None:
    """One step, two weights, λ = 3."""
    expect_trained(
        local_steps,
        np.array([1.0, -2.0]),
        np.array([[2.0, 1.0]]),
        np.array([4.0]),
        (0.125, 1, 3.0),
        "At the start w is w_t, and the proximal term and its gradient are 0: the first step is "
        "plain gradient descent. Nothing draws towards 0. Return the weights, not their change.",
    )


def three_steps_on_a_leash(local_steps: Answer) -> None:
    """One example, one weight, λ = 2: steps from 0 towards 6."""
    expect_trained(
        local_steps,
        np.array([0.0]),
        np.array([[1.0]]),
        np.array([6.0]),
        (0.25, 3, 2.0),
        "λ/2 ‖w - w_t‖² has the gradient λ (w - w_t): it grows with the distance, pulls back, and "
        "is there in every step. Its end w_t is where the round began, all the time.",
    )


def takes_the_mean_of_four_examples(local_steps: Answer) -> None:
    """Four examples, two weights, λ = 1."""
    expect_trained(
        local_steps,
        np.array([1.0, -1.0]),
        np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]]),
        np.array([2.0, 3.0, 0.0, 1.0]),
        (0.25, 2, 1.0),
        "The loss is a mean over the examples, and its gradient is divided by n. The proximal "
        "term stands outside of that mean, and is not.",
    )


def straggler_without_a_step(local_steps: Answer) -> None:
    """No step at all: a phone that was too slow."""
    expect_trained(
        local_steps,
        np.array([2.0, 3.0]),
        np.array([[1.0, 1.0]]),
        np.array([0.0]),
        (0.5, 0, 1.0),
        "num_steps = 0 means no step: what was received comes back.",
    )
