"""Public tests of what ranks do together: histograms of a level, bits of rows, and elections."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.distributed_trees.travel import (
    Rows,
    expect_elected,
    expect_level_histograms,
    expect_routed,
)

Answer = Callable[..., Any]


# -- level_histograms ------------------------------------------------------------------------------
def _rows(codes: list[list[int]], stats: list[list[float]], node: list[int]) -> Rows:
    return np.array(codes, np.uint8), np.array(stats, np.float64), np.array(node, np.int64)


def two_ranks_count_one_feature(level_histograms: Answer) -> None:
    """Two ranks, one node, one feature, two bins."""
    ranks = [
        _rows([[0], [1], [0]], [[1.0], [1.0], [1.0]], [0, 0, 0]),
        _rows([[1], [1]], [[1.0], [1.0]], [0, 0]),
    ]
    expect_level_histograms(
        level_histograms,
        ranks,
        1,
        2,
        "Each row adds its statistics to its bin. `histograms[index] += stats` adds only one of "
        "the rows that share an index; np.add.at adds all. Then the ranks' bins are summed, and "
        "not averaged: every rank returns the same.",
    )


def rows_in_leaves_do_not_count(level_histograms: Answer) -> None:
    """Two nodes, two features, and rows that are in a leaf already."""
    ranks = [
        _rows([[0, 2], [1, 2], [0, 1]], [[1.0, 5.0], [1.0, 3.0], [1.0, 7.0]], [1, -1, 1]),
        _rows([[0, 2], [2, 0]], [[1.0, 4.0], [1.0, 2.0]], [1, 0]),
    ]
    expect_level_histograms(
        level_histograms,
        ranks,
        2,
        3,
        "Rows of node -1 are in a leaf and count nowhere; as an index, -1 would be the last node. "
        "What a row adds are its own statistics.",
    )


def a_rank_without_rows_takes_part(level_histograms: Answer) -> None:
    """Three ranks, one of which has no row."""
    empty = (np.empty((0, 2), np.uint8), np.empty((0, 1)), np.empty(0, np.int64))
    ranks = [_rows([[0, 1]] * 3, [[2.0]] * 3, [0, 1, 1]), empty, _rows([[1, 1]], [[8.0]], [1])]
    expect_level_histograms(level_histograms, ranks, 2, 2)


def many_rows_travel_as_one_histogram(level_histograms: Answer) -> None:
    """Four ranks with 50 rows each: bytes and messages."""
    rng = np.random.default_rng(1)
    ranks = [
        (
            rng.integers(0, 4, (50, 3)).astype(np.uint8),
            rng.integers(0, 10, (50, 2)).astype(np.float64),
            rng.integers(-1, 2, 50),
        )
        for _ in range(4)
    ]
    expect_level_histograms(level_histograms, ranks, 2, 4)


# -- route_rows ------------------------------------------------------------------------------------
def routes_sixteen_rows(route_rows: Answer) -> None:
    """Three ranks, 16 rows: two bytes to each of two."""
    goes_left = np.array([1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0], bool)
    expect_routed(
        route_rows,
        goes_left,
        3,
        0,
        "Who unpacks must take bits in the order in which they were packed, and make bools of "
        "them.",
    )


def routes_eleven_rows(route_rows: Answer) -> None:
    """Two ranks, 11 rows: a byte that is not full."""
    expect_routed(
        route_rows,
        np.array([1, 1, 0, 1, 0, 0, 0, 1, 0, 1, 1], bool),
        2,
        0,
        "Eleven rows need two bytes, and the second holds five bits that are no row.",
    )


def routes_from_another_owner(route_rows: Answer) -> None:
    """Four ranks, and rank 2 is the one that knows."""
    expect_routed(
        route_rows,
        np.array([0, 1, 1, 0, 1], bool),
        4,
        2,
        "Any rank may be the one that knows: the root of the broadcast is the owner.",
    )


# -- elect_features --------------------------------------------------------------------------------
def elects_by_votes(elect_features: Answer) -> None:
    """Three ranks with one vote each, four features."""
    gains = [[900.0, 1.0, 800.0, 3.0], [0.5, 4.0, 1.0, 2.0], [0.5, 6.0, 1.0, 5.0]]
    expect_elected(
        elect_features,
        [np.array(own) for own in gains],
        1,
        "Votes are counted and not gains: rank 0's counts as much as any other. There are twice as "
        "many seats as a rank has votes, and the elected stand in rising order.",
    )


def elects_the_lower_of_equal_ones(elect_features: Answer) -> None:
    """Three ranks with two votes each, six features, and ties."""
    gains = [[7.0, 5, 9, 5, 1, 1], [1.0, 5, 9, 1, 5, 5], [1.0, 1, 1, 8, 1, 8]]
    expect_elected(
        elect_features,
        [np.array(own) for own in gains],
        2,
        "The lower of two features goes first, on a ballot where they gain the same, and in the "
        "count where they have as many votes.",
    )


def elects_nobody_without_a_vote(elect_features: Answer) -> None:
    """Features that no rank can split by, and a rank that can split by none."""
    gains = [[-np.inf, 3, -np.inf, -np.inf, -np.inf], [-np.inf] * 5]
    expect_elected(
        elect_features,
        [np.array(own) for own in gains],
        2,
        "Nobody votes for a gain of -inf, -1 on a ballot is no vote, and who has no vote is not "
        "elected, though seats stay empty.",
    )
