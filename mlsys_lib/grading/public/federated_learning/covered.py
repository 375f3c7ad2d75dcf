"""Public tests of masks: what a client sends, and what a server can read from all of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.federated_learning.masks import expect_masked, expect_unmasked

Answer = Callable[..., Any]
UPDATES = [np.array([3, -7]), np.array([-20, 5]), np.array([11, -40]), np.array([-4, 1])]
SEEDS = [[0, 21, 22, 23], [21, 0, 32, 33], [22, 32, 0, 43], [23, 33, 43, 0]]


# -- masked_update ---------------------------------------------------------------------------------
def masks_the_lower_of_two(masked_update: Answer) -> None:
    """Client 0 of two, modulus 1000."""
    expect_masked(
        masked_update,
        0,
        np.array([3, 250, 499]),
        [0, 7],
        1000,
        "Client 0 is the lower of the pair: it adds the mask. Sums go round in circles, so that a "
        "result lies between 0 and modulus - 1. The own entry of seeds is no pair.",
    )


def masks_the_higher_of_two(masked_update: Answer) -> None:
    """Client 1 of the same two, with numbers below 0."""
    expect_masked(
        masked_update,
        1,
        np.array([-4, -500, 20]),
        [7, 0],
        1000,
        "Client 1 is the higher of the pair: it subtracts the mask that client 0 adds. A number "
        "below 0 goes round too: -1 is modulus - 1, as `%` makes it.",
    )


def masks_the_middle_of_three(masked_update: Answer) -> None:
    """Client 1 of three."""
    expect_masked(
        masked_update,
        1,
        np.array([5, -5, 100, 0]),
        [11, 0, 12],
        1000,
        "A mask for each pair, from the pair's own seed: client 1 subtracts the one it has with "
        "client 0 and adds the one it has with client 2.",
    )


# -- unmasked_sum ----------------------------------------------------------------------------------
def adds_up_what_cancels(unmasked_sum: Answer) -> None:
    """Four clients, all of which have answered."""
    expect_unmasked(
        unmasked_sum,
        UPDATES,
        SEEDS,
        [],
        1000,
        "All masks cancel. What is left is the sum, not the mean, but in a circle: 990 stands for "
        "-10. Numbers from modulus / 2 on mean the negative ones.",
    )


def one_has_dropped_out(unmasked_sum: Answer) -> None:
    """Four clients; client 1 has dropped out."""
    expect_unmasked(
        unmasked_sum,
        UPDATES,
        SEEDS,
        [1],
        1000,
        "The masks of pairs with client 1 have no counterpart. Undo what is in the sum: client 0 "
        "is the lower of its pair and has added, clients 2 and 3 are the higher and have "
        "subtracted. Then go round the circle once more.",
    )


def two_have_dropped_out(unmasked_sum: Answer) -> None:
    """Four clients; clients 0 and 2 have dropped out."""
    expect_unmasked(
        unmasked_sum,
        UPDATES,
        SEEDS,
        [0, 2],
        1000,
        "Each revealed seed is a mask of its own in the sum: two survivors and two drop-outs make "
        "four of them.",
    )
