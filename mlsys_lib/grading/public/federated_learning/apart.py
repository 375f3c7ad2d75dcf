"""Public tests of how clients differ: where it leads, how it is measured, and who is helped."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.federated_learning.averages import expect_fair_step
from mlsys_lib.grading.public.federated_learning.drift import (
    Clients,
    expect_at_rest,
    expect_spread,
    own_clients,
)
from mlsys_lib.grading.student import own_variant

Answer = Callable[..., Any]
PAIR: Clients = ([1.0, 10.0], [0.0, 1.0], [0.5, 0.5])


# -- fedavg_fixed_point ----------------------------------------------------------------------------
def rests_with_your_own_clients(fedavg_fixed_point: Answer, student: str) -> None:
    """Your own two clients, with your E."""
    rng, remark = own_variant(student, "fedavg_fixed_point")
    clients, learning_rate, local_epochs = own_clients(rng)
    expect_at_rest(
        fedavg_fixed_point,
        clients,
        learning_rate,
        local_epochs,
        f"{remark}E steps leave the share (1 - η L_i)^E of client i's way to its minimum, so it "
        "has moved by 1 less that share. Weigh these moves by p_i, and find where they cancel.",
    )


def rests_at_the_minimum_for_one_step(fedavg_fixed_point: Answer, student: str) -> None:
    """Curvatures 1 and 10, one step a round."""
    expect_at_rest(
        fedavg_fixed_point,
        PAIR,
        0.05,
        1,
        "One step of each client, averaged, is one step of gradient descent on the mean: it "
        "stands still at the minimum, 0.909, and nowhere else.",
    )


def rests_elsewhere_for_more_steps(fedavg_fixed_point: Answer, student: str) -> None:
    """Curvatures 1 and 10, 2 and 20 steps a round; then other weights p."""
    unequal: Clients = (PAIR[0], PAIR[1], [0.75, 0.25])
    for clients, local_epochs in ((PAIR, 2), (PAIR, 20), (unequal, 5)):
        expect_at_rest(
            fedavg_fixed_point,
            clients,
            0.05,
            local_epochs,
            "With more steps it is no longer the minimum: a client of large curvature has arrived "
            "after a few steps, and the others go on. The power E belongs to 1 - η L_i, and p_i "
            "stands before it, once, above and below.",
        )


def rests_between_the_minima_in_the_end(fedavg_fixed_point: Answer, student: str) -> None:
    """Curvatures 1 and 10, 5000 steps a round."""
    expect_at_rest(
        fedavg_fixed_point,
        PAIR,
        0.05,
        5000,
        "With E → ∞ every client arrives at its own minimum, and FedAvg rests at their mean "
        "whatever the curvatures.",
    )


# -- dissimilarity ---------------------------------------------------------------------------------
def clients_that_agree(dissimilarity: Answer) -> None:
    """Three clients with the same gradient."""
    expect_spread(
        dissimilarity,
        np.array([[3.0, 4.0]] * 3),
        [0.5, 0.25, 0.25],
        "If all gradients are the same, B is 1, and it is never less.",
    )


def clients_at_right_angles(dissimilarity: Answer) -> None:
    """Two clients, gradients of length 4 and 2 at a right angle."""
    expect_spread(
        dissimilarity,
        np.array([[4.0, 0.0], [0.0, 2.0]]),
        [0.5, 0.5],
        "The mean of the squared norms is 10, and the mean gradient has the squared norm 5: the "
        "root of 2. The mean of the norms would make 1.34. A row is a client's gradient, and p_i "
        "stands outside the squared norm. No mean is subtracted. B is never below 1.",
    )


def clients_of_unequal_weight(dissimilarity: Answer) -> None:
    """Two opposite clients, with weights 3/4 and 1/4."""
    expect_spread(
        dissimilarity,
        np.array([[2.0, 0.0], [-4.0, 0.0]]),
        [0.75, 0.25],
        "A client weighs p_i above and below, once.",
    )


def clients_that_cancel(dissimilarity: Answer) -> None:
    """Two clients that pull in opposite directions."""
    expect_spread(
        dissimilarity,
        np.array([[1.0, 2.0], [-1.0, -2.0]]),
        [0.5, 0.5],
        "The mean gradient is 0 and the clients' are not: no B is large enough, and it is "
        "math.inf.",
    )


def clients_that_rest(dissimilarity: Answer) -> None:
    """Two clients without any gradient."""
    expect_spread(
        dissimilarity,
        np.zeros((2, 3)),
        [0.5, 0.5],
        "All gradients are 0: all clients agree that nothing is left to do, and B is 1.0.",
    )


def clients_near_the_minimum(dissimilarity: Answer) -> None:
    """Curvatures 1 and 10, minima 0 and 1: on the way to w* = 0.909."""
    for w in (5.0, 1.5, 0.95, 0.92):
        expect_spread(
            dissimilarity,
            np.array([[1.0 * (w - 0.0)], [10.0 * (w - 1.0)]]),
            [0.5, 0.5],
            f"This is w = {w}. B is 1.27 at w = 5 and 14.4 at w = 0.92: near the minimum of the "
            "mean the mean gradient vanishes, and the clients' own do not.",
        )


# -- qfedavg_step ----------------------------------------------------------------------------------
def steps_like_fedavg(qfedavg_step: Answer) -> None:
    """Two clients, one with a loss of 0; q = 0."""
    expect_fair_step(
        qfedavg_step,
        np.array([1.0, 1.0]),
        [(np.array([3.0, 1.0]), 2.0, 1.5), (np.array([1.0, -3.0]), 0.0, 0.0)],
        [0.75, 0.25],
        0.0,
        4.0,
        "With q = 0 every power of a loss is 1 and what q stands before is 0, also where the loss "
        "is 0. The step ends at the mean of the clients' weights by p_i: FedAvg.",
    )


def steps_towards_the_worse_client(qfedavg_step: Answer) -> None:
    """Two clients that pull in opposite directions; q = 1, L = 2."""
    expect_fair_step(
        qfedavg_step,
        np.array([0.0]),
        [(np.array([1.0]), 4.0, 0.5), (np.array([-1.0]), 1.0, 0.25)],
        [0.5, 0.5],
        1.0,
        2.0,
        "Each client's own loss is taken to the power q, before anything is added up, and it is "
        "the loss before training. The clients' gradients are about -2 and 2 and their losses 4 "
        "and 1: the step goes towards client 0, to 1/3.",
    )


def steps_with_a_power_of_three(qfedavg_step: Answer) -> None:
    """Two weights, p = 3/4 and 1/4; q = 3, L = 2."""
    expect_fair_step(
        qfedavg_step,
        np.array([1.0, 0.0]),
        [(np.array([0.0, 1.0]), 0.5, 0.25), (np.array([2.0, 2.0]), 1.5, 1.0)],
        [0.75, 0.25],
        3.0,
        2.0,
        "p_i stands in both sums, once and without a power. Above, the loss has the power q; "
        "below, q - 1 where q and the squared norm of Δ_i stand, and q where L stands.",
    )


def steps_alone(qfedavg_step: Answer) -> None:
    """One client; q = 2, L = 8."""
    expect_fair_step(
        qfedavg_step,
        np.array([2.0, -1.0]),
        [(np.array([1.0, 1.0]), 0.5, 0.1)],
        [1.0],
        2.0,
        8.0,
        "Δ_i = L (w - w_i) stands for the client's gradient, and a step goes against it. The "
        "more a power of the loss bends, the shorter it is: both terms stand below.",
    )
