"""Public tests of what ranks make of gradients together: a vote, and a mean of what is kept."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.gradient_compression.exchange import (
    draw_float32,
    expect_majority,
    expect_mean,
)

Answer = Callable[..., Any]


def _float32(*rows: list[float]) -> list[np.ndarray]:
    return [np.array(row, np.float32) for row in rows]


# -- majority_vote ---------------------------------------------------------------------------------
def three_ranks_vote(majority_vote: Answer) -> None:
    """Three ranks, one of which is loud."""
    expect_majority(
        majority_vote,
        [np.array([9.0, -9, -9, 9]), np.array([-1.0, 1, -2, -2]), np.array([-1.0, 1, 1, 3])],
        "A rank has one vote, however large its number is: +1 or -1 is all that counts, and the "
        "verdict is +1.0 or -1.0. Rank 0 counts, and votes as well.",
    )


def two_ranks_disagree(majority_vote: Answer) -> None:
    """Two ranks that agree once."""
    expect_majority(
        majority_vote,
        [np.array([1.0, -1.0, -2.0]), np.array([-1.0, 2.0, -1.0])],
        "As many for as against: a tie is +1. A verdict is never 0, since a bit has no room for "
        "it.",
    )


def zero_has_a_vote(majority_vote: Answer) -> None:
    """Three ranks with zeros."""
    expect_majority(
        majority_vote,
        [np.array([0.0, 0.0, -1.0]), np.array([-0.0, -1.0, 0.0]), np.array([-1.0, -1.0, 2.0])],
        "A 0 votes +1, and so does -0.0.",
    )


def one_rank_is_the_majority(majority_vote: Answer) -> None:
    """One rank alone, nine numbers."""
    expect_majority(
        majority_vote,
        [np.array([1.0, -2, 3, 0, -5, 6, -7, -8, 9])],
        "One vote is the majority, and nothing travels. Nine numbers are nine: the bits that fill "
        "a byte up are none of them.",
    )


def a_bit_up_and_a_bit_down(majority_vote: Answer) -> None:
    """Five ranks, 100 numbers: bytes."""
    rng = np.random.default_rng(1)
    expect_majority(majority_vote, list(rng.normal(size=(5, 100))))


# -- compressed_mean -------------------------------------------------------------------------------
def two_ranks_keep_other_places(compressed_mean: Answer) -> None:
    """Two ranks, one number each, at different places."""
    expect_mean(
        compressed_mean,
        _float32([8, 1, 0, -2], [1, 2, -6, 1]),
        [1, 1],
        "8 stands at place 0 and -6 at place 2: what two ranks send need not be about the same "
        "places, so it cannot be added up as it comes. The mean has more numbers than one rank "
        "kept, and -6 is large. Divide by the ranks, once.",
    )


def two_ranks_keep_the_same_place(compressed_mean: Answer) -> None:
    """Two ranks, two numbers each, one place in common."""
    expect_mean(
        compressed_mean,
        _float32([5, 1, 3], [4, 2, -1]),
        [2, 2],
        "Where both send, the numbers are added. Where one sends, the other's counts as 0, and the "
        "sum is still divided by two: the mean is over ranks, and not over those who sent.",
    )


def ranks_keep_other_counts(compressed_mean: Answer) -> None:
    """Three ranks that keep one number, three and two."""
    expect_mean(
        compressed_mean,
        _float32([1, -7, 2, 2, 0, 1], [3, 3, -3, 3, 1, 0], [0, 1, 5, -2, 2, 4]),
        [1, 3, 2],
        "How many numbers a rank keeps is its own affair: the others must hear it before they can "
        "receive. Of equal magnitudes the first are kept.",
    )


def a_rank_that_keeps_nothing(compressed_mean: Answer) -> None:
    """Three ranks, one of which keeps nothing."""
    expect_mean(
        compressed_mean,
        _float32([6, 1, 3, 0], [9, 9, 9, 9], [0, 0, -3, 2]),
        [2, 0, 1],
        "A rank that keeps nothing still takes part, and still returns the mean over all three.",
    )


def few_numbers_of_many_travel(compressed_mean: Answer) -> None:
    """Four ranks, 200 numbers, of which 3, 20, 5 and 1 are kept: bytes."""
    rng = np.random.default_rng(2)
    expect_mean(compressed_mean, draw_float32(rng, 4, 200), [3, 20, 5, 1])
