"""Public tests of how weights move: AdaGrad's rates, Adam's steps and Nesterov's path."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close
from mlsys_lib.grading.public.optimizers.steps import (
    State,
    expect_adam,
    expect_path,
    expect_rates,
)

Answer = Callable[..., Any]
GRADIENTS = (1.0, -2.0, 0.5)
ADAGRAD_WEIGHTS = (0.90000000001, 0.9894427191059916, 0.9676209300833447)
ADAM_WEIGHTS = (0.900000001, 0.9366103534720749, 0.9502794196738216)
"""What torch.optim makes of the weight 1 and these gradients at learning rate 0.1."""


# -- adagrad_rates ---------------------------------------------------------------------------------
def rates_of_three_gradients(adagrad_rates: Answer) -> None:
    """One weight with the gradients 1, -2, 0.5, at learning rate 0.1."""
    gradients = np.array(GRADIENTS)[:, None]
    idea = (
        "The squares are 1, 4 and 0.25; 0.1 is divided by the roots of 1, 5 and 5.25. The sum "
        "holds this step's gradient too, it is a sum and no mean, and the root is taken of it."
    )
    expect_rates(adagrad_rates, gradients, 0.1, 1e-10, idea)
    expect_close(
        adagrad_rates(gradients.copy(), 0.1, 1e-10),
        -np.diff([1.0, *ADAGRAD_WEIGHTS])[:, None] / gradients,
        rtol=1e-8,
        given="what torch makes of the weight 1 with these gradients; its moves by gradient",
        hint=idea,
    )


def rates_of_gradients_as_small_as_the_guard(adagrad_rates: Answer) -> None:
    """Gradients of 0.001 with eps = 0.01."""
    expect_rates(
        adagrad_rates,
        np.array([[0.001], [-0.002]]),
        0.1,
        0.01,
        "eps is added to the root. Under the root it would weigh as its own root, 0.1 here.",
    )


def rates_of_a_rare_coordinate(adagrad_rates: Answer) -> None:
    """One weight has a gradient in each step, the other in the last only."""
    expect_rates(
        adagrad_rates,
        np.array([[3.0, 0.0], [4.0, 0.0], [-12.0, 2.0]]),
        0.5,
        1e-8,
        "Each coordinate has a sum of its own. Before its first gradient the sum is 0, and eps "
        "alone keeps the rate finite.",
    )


def rates_of_gradients_that_fade(adagrad_rates: Answer) -> None:
    """Gradients that halve in each step, and a weight whose gradients stay."""
    steps = np.arange(20)
    expect_rates(
        adagrad_rates,
        np.stack([0.5**steps, (-1.0) ** steps], axis=1),
        0.1,
        1e-10,
        "Squares of fading gradients have a finite sum: that rate stays near 0.087. It is the "
        "other one that falls, as one over the root of the step, whatever signs its gradients "
        "have. Nothing is ever forgotten.",
    )


# -- adam_step -------------------------------------------------------------------------------------
def _state(*numbers: list[float]) -> State:
    w, u, v = (np.array(column) for column in numbers)
    return w, u, v


def steps_three_times(adam_step: Answer) -> None:
    """Weight 1 and the gradients 1, -2, 0.5, at learning rate 0.1."""
    state = _state([1.0], [0.0], [0.0])
    idea = (
        "The first step is as long as the learning rate, to 0.9. Without corrections it ends at "
        "0.684, and at 0 if one multiplies by 1 - δᵗ where one should divide. t is 1 in the first "
        "step. A step goes against the average of the gradients, not along it and not against the "
        "newest one alone. If only late digits differ, it is eps: add it to the root of the "
        "corrected v."
    )
    for t, (gradient, weight) in enumerate(zip(GRADIENTS, ADAM_WEIGHTS, strict=True), 1):
        w, u, v = (array.copy() for array in state)
        state = expect_adam(adam_step, state, np.array([gradient]), t, 0.1, idea=idea)
        got = adam_step(w, np.array([gradient]), u, v, t, 0.1, (0.9, 0.999), 1e-8)
        given = f"step {t} of the gradients {GRADIENTS}, as torch makes it; the new w"
        expect_close(got[0], np.array([weight]), rtol=1e-10, given=given, hint=idea)


def steps_with_a_guard_that_counts(adam_step: Answer) -> None:
    """Gradients that are as small as eps."""
    state = _state([0.5, -0.5], [0.0, 0.0], [0.0, 0.0])
    for t in (1, 2):
        state = expect_adam(
            adam_step,
            state,
            np.array([0.001, -0.0005]),
            t,
            0.01,
            eps=0.001,
            idea="eps is added to the root of the corrected v: not under the root, not to the root "
            "of the uncorrected one, and not to the weights.",
        )


def steps_in_the_middle_of_a_run(adam_step: Answer) -> None:
    """Step 7, with averages from before and other decays."""
    expect_adam(
        adam_step,
        _state([1.0, 2.0, 3.0], [0.5, -0.25, 0.0], [0.5, 0.25, 1.0]),
        np.array([2.0, 1.0, -4.0]),
        7,
        0.1,
        (0.5, 0.75),
    )


def steps_without_a_gradient(adam_step: Answer) -> None:
    """No gradient in the first step, and none in a later one."""
    idea = "0 / (0 + eps) is 0: no NaN. Averages from before still move a weight."
    state = _state([1.0, 2.0], [0.0, 0.0], [0.0, 0.0])
    expect_adam(adam_step, state, np.array([0.0, 3.0]), 1, 0.1, idea=idea)
    state = _state([1.0, 2.0], [0.0, 0.5], [0.0, 0.25])
    expect_adam(adam_step, state, np.array([0.0, 0.0]), 5, 0.1, idea=idea)


# -- nesterov_path ---------------------------------------------------------------------------------
def walks_two_steps(nesterov_path: Answer) -> None:
    """One weight, f(w) = w² / 2, learning rate 0.1, momentum 0.5."""
    expect_path(
        nesterov_path,
        np.array([[1.0]]),
        np.array([1.0]),
        (0.1, 0.5, 2),
        "w_1 is 0.9. Then the momentum leads on to 0.85. The gradient there is 0.85, and the step "
        "starts there: w_2 is 0.765. It is 0.76 if the gradient is taken at w_1, as the heavy ball "
        "does. The points ahead, 1 and 0.85, are not in the path; w_0 is.",
    )


def walks_down_a_valley(nesterov_path: Answer) -> None:
    """Two weights, a valley 100 times as steep across as along, 30 steps."""
    momentum = 9 / 11  # (√κ - 1) / (√κ + 1) for κ = 100
    expect_path(
        nesterov_path,
        np.array([[50.5, 49.5], [49.5, 50.5]]),
        np.array([1.0, 0.5]),
        (0.01, momentum, 30),
        "The momentum is the share of the last move, w_t - w_{t-1}, that goes on, whole and with "
        "its sign. The learning rate scales the gradient alone.",
    )


def stays_where_it_is(nesterov_path: Answer) -> None:
    """No step, and no momentum."""
    hessian, w0 = np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, -1.0])
    for settings in ((0.1, 0.9, 0), (0.1, 0.0, 2)):
        expect_path(
            nesterov_path,
            hessian,
            w0,
            settings,
            "The path has num_steps + 1 rows, w_0 first. Before the first step nothing has moved: "
            "w_{-1} is w_0. Without momentum this is gradient descent.",
        )
