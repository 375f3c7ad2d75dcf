"""Public tests of what ranks do together: a corrected average, a certificate, a round of CoCoA."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.distributed_optimization.averages import draw_answers
from mlsys_lib.grading.public.distributed_optimization.hinge import Block
from mlsys_lib.grading.public.distributed_optimization.rounds import (
    draw_targets,
    expect_corrected,
    expect_gap,
    expect_round,
)

Answer = Callable[..., Any]


def _block(X: list[list[float]], y: list[float], dual: list[float]) -> Block:
    return np.array(X, np.float64), np.array(y, np.float64), np.array(dual, np.float64)


# -- bias_corrected --------------------------------------------------------------------------------
def removes_a_bias(bias_corrected: Answer) -> None:
    """Two ranks, whose answers are off by 1 over the examples used."""
    expect_corrected(
        bias_corrected,
        [np.array([2.1, -0.9])] * 2,
        [np.array([2.2, -0.8])] * 2,
        [10, 10],
        0.5,
        "The truth is [2, -1]. An answer of 10 examples is off by 1/10, one of 5 by 1/5: the "
        "share times the second has the bias of the first. Subtract it, and what is left of the "
        "truth is 1 - share of it.",
    )


def corrects_with_shards_of_different_sizes(bias_corrected: Answer) -> None:
    """Three ranks with 10, 20 and 70 examples, and a quarter of them."""
    expect_corrected(
        bias_corrected,
        [np.array([1.0]), np.array([4.0]), np.array([2.0])],
        [np.array([3.0]), np.array([2.0]), np.array([2.5])],
        [10, 20, 70],
        0.25,
        "Answers count by their rank's examples: n_i / n, and n is the sum over all ranks. What is "
        "weighed and subtracted is the share times the answer of the part.",
    )


def corrects_with_a_rank_without_examples(bias_corrected: Answer) -> None:
    """Three ranks, one of which has no examples and says NaN."""
    nothing = np.full(2, np.nan)
    expect_corrected(
        bias_corrected,
        [np.array([1.0, 2.0]), nothing, np.array([4.0, 8.0])],
        [np.array([2.0, 2.0]), nothing, np.array([5.0, 7.0])],
        [2, 0, 4],
        0.5,
        "A rank without examples takes part in the all-reduce, with zeros: 0 · NaN is NaN.",
    )


def corrects_five_weights_on_four_ranks(bias_corrected: Answer) -> None:
    """Four ranks, five weights: bytes and messages."""
    rng, counts = np.random.default_rng(1), [30, 10, 40, 20]
    whole, part = (draw_answers(rng, counts, 5) for _ in range(2))
    expect_corrected(bias_corrected, whole, part, counts, 0.2)


# -- duality_gap -----------------------------------------------------------------------------------
def gap_before_the_first_step(duality_gap: Answer) -> None:
    """Two ranks, all duals zero: every loss is 1, and nothing else is there."""
    ranks = [
        _block([[1, 2], [0, 1]], [1, -1], [0, 0]),
        _block([[3, 1]], [1], [0]),
    ]
    expect_gap(
        duality_gap,
        ranks,
        0.5,
        "P is the mean loss over all ranks' examples, and D is 0: every rank returns the same. "
        "n is num_examples, not what a rank has.",
    )


def gap_of_two_ranks(duality_gap: Answer) -> None:
    """Two ranks, both labels, duals that have moved."""
    ranks = [
        _block([[2, 0]], [1], [0.5]),
        _block([[1, 1], [4, 0], [0, 3]], [-1, 1, 1], [-0.75, 1.0, 0.5]),
    ]
    expect_gap(
        duality_gap,
        ranks,
        0.25,
        "P - D: both sums go over all ranks' examples and are divided by n. λ/2 ‖w‖² is added to P "
        "and subtracted from D, once each and not once a rank. A loss is never below 0, and a "
        "label stands at x·w as well as at ζ.",
    )


def gap_where_a_dual_is_not_allowed(duality_gap: Answer) -> None:
    """Two ranks; on rank 1 a dual has the wrong sign, then one is too large."""
    for dual in (-0.5, 1.5):
        ranks = [_block([[1, 0]], [1], [0.5]), _block([[0, 1], [1, 1]], [1, -1], [dual, -0.5])]
        expect_gap(
            duality_gap,
            ranks,
            0.5,
            "Outside of 0 ≤ ζ y ≤ 1 the dual is -∞, and the gap is math.inf on every rank, also on "
            "those whose own duals are fine.",
        )


def gap_with_a_rank_without_examples(duality_gap: Answer) -> None:
    """Three ranks, one of which has no examples."""
    ranks = [
        _block([[1, 0], [0, 2]], [1, 1], [1.0, 0.0]),
        (np.empty((0, 2)), np.empty(0), np.empty(0)),
        _block([[1, -1]], [-1], [-0.5]),
    ]
    expect_gap(duality_gap, ranks, 0.5)


# -- cocoa_round -----------------------------------------------------------------------------------
def one_rank_is_done_in_a_round(cocoa_round: Answer) -> None:
    """One rank, all duals zero, ω = ω′ = 1: it solves the whole problem."""
    expect_round(
        cocoa_round,
        [_block([[1, 0], [1, 1], [0, 2]], [1, 2, 0], [0, 0, 0])],
        0.5,
        1.0,
        1.0,
        "The change of w is XᵀΔζ/(λn), with the change of the duals that the local solver returns. "
        "n is num_examples.",
    )


def two_ranks_average(cocoa_round: Answer) -> None:
    """Two ranks, all duals zero, ω = 1/2 and ω′ = 1: averaging."""
    expect_round(
        cocoa_round,
        [_block([[1, 0], [1, 1]], [1, 2], [0, 0]), _block([[0, 2]], [4], [0])],
        0.5,
        0.5,
        1.0,
        "w moves by ω times the sum of all ranks' changes. ω = 1/m makes a mean of the sum; "
        "nothing else divides by m. In λn, n counts all ranks' examples. Change w after the "
        "all-reduce, the same on every rank.",
    )


def three_ranks_with_the_same_examples_add(cocoa_round: Answer) -> None:
    """Three ranks with copies of the same examples, ω = 1 and ω′ = 3: adding."""
    same = _block([[1, 1], [0, 2]], [3, 1], [0, 0])
    expect_round(
        cocoa_round,
        [same] * 3,
        0.25,
        1.0,
        3.0,
        "ω′ goes to the local solver. With ω′ = 1 each rank steps as if it were alone, and three "
        "alike of them together go too far.",
    )


def a_later_round_with_a_rank_without_examples(cocoa_round: Answer) -> None:
    """Three ranks in a run that is under way; one has no examples."""
    ranks = [
        _block([[1, 0], [1, 1]], [1, 2], [0.5, -0.25]),
        (np.empty((0, 2)), np.empty(0), np.empty(0)),
        _block([[0, 2]], [4], [1.0]),
    ]
    expect_round(
        cocoa_round,
        ranks,
        0.5,
        1.0,
        3.0,
        "Go on from where w and the duals are. The solver returns how far its duals move, and a "
        "rank without examples takes part in the all-reduce.",
    )


def many_examples_travel_as_one_vector(cocoa_round: Answer) -> None:
    """Four ranks with 20 examples each, 3 features: bytes and messages."""
    ranks = draw_targets(np.random.default_rng(1), [20] * 4, 3)
    expect_round(cocoa_round, ranks, 0.125, 0.25, 1.0)
