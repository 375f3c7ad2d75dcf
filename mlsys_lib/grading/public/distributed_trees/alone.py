"""Public tests of what needs no ranks: summaries, cuts, edges and depths."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_equal, show
from mlsys_lib.grading.public.distributed_trees.cuts import cut_of
from mlsys_lib.grading.public.distributed_trees.depths import first_dearer
from mlsys_lib.grading.public.distributed_trees.edges import Sketch, merged_edges
from mlsys_lib.grading.public.distributed_trees.summaries import expect_merged, own_shards
from mlsys_lib.grading.student import own_variant

Answer = Callable[..., Any]


# -- merge_summaries -------------------------------------------------------------------------------
def merges_your_own_shards(merge_summaries: Answer, student: str) -> None:
    """Your own three shards, 8 rows in all."""
    rng, remark = own_variant(student, "merge_summaries")
    expect_merged(merge_summaries, own_shards(rng), remark)


def merges_shards_that_differ_only_from_each_other(merge_summaries: Answer, student: str) -> None:
    """Two shards that vary only from one to the other."""
    expect_merged(merge_summaries, [np.array([0, 0]), np.array([10, 10, 10])])


def merges_shards_without_rows(merge_summaries: Answer, student: str) -> None:
    """Four shards, of which the first two have no rows; then nothing else."""
    nothing = np.empty(0)
    expect_merged(merge_summaries, [nothing, nothing, np.array([1, 3]), np.array([5])])
    expect_merged(merge_summaries, [nothing, nothing])


# -- best_cut --------------------------------------------------------------------------------------
def _expect_cut(best_cut: Answer, bins: list[list[int]], hint: str) -> None:
    """Hold the cut of a histogram, given by its targets in each bin."""
    targets = [np.array(y, np.float64) for y in bins]
    histogram = np.array([[len(y), y.sum(), (y * y).sum()] for y in targets])
    given = f"the histogram {show(histogram)}, of bins that hold the targets {bins}"
    expect_equal(best_cut(histogram.copy()), cut_of(histogram), given=given, hint=hint)


def cuts_where_it_gains_most(best_cut: Answer) -> None:
    """Four bins: low targets on one side, high ones on the other."""
    _expect_cut(
        best_cut,
        [[1, 2], [2, 1, 2], [9, 8], [9]],
        "The children's squared deviations shall be small: what a cut takes away from the "
        "parent's is its gain. Cut b keeps bins 0 to b on the left.",
    )


def cuts_by_rows_and_not_by_bins(best_cut: Answer) -> None:
    """One bin of a single row beside bins of many: rows count."""
    _expect_cut(
        best_cut,
        [[12], [2, 2, 4, 4, 2, 2, 4, 4], [2, 4, 2, 4], [7, 9, 7, 9, 7, 9]],
        "A side counts by its rows. A single row far away takes away less than many rows that "
        "are a little apart, however large the difference of the two means is.",
    )


def takes_the_lowest_of_equal_cuts(best_cut: Answer) -> None:
    """Two cuts that gain the same."""
    _expect_cut(
        best_cut,
        [[0, 0], [3, 3, 3, 3], [0, 0]],
        "Of cuts that gain the same, take the lowest.",
    )


def leaves_no_side_empty(best_cut: Answer) -> None:
    """Bins without rows, at either end and in the middle."""
    _expect_cut(
        best_cut,
        [[], [1], [], [5, 6], []],
        "Either side must have a row. Cuts with only empty bins between them part the same rows.",
    )


def does_not_cut_for_nothing(best_cut: Answer) -> None:
    """All targets are the same: no cut gains."""
    _expect_cut(best_cut, [[4, 4], [4], [4, 4, 4]], "Return None where no cut gains anything.")


# -- bin_edges -------------------------------------------------------------------------------------
def _expect_edges(bin_edges: Answer, sketches: list[Sketch], num_bins: int, hint: str) -> None:
    """Hold the edges of a column, and what they were cut from."""
    handed = [(values.copy(), weights.copy()) for values, weights in sketches]
    told = [(values.tolist(), weights.tolist()) for values, weights in sketches]
    given = f"(values, weights) by worker: {told}; num_bins = {num_bins}"
    wanted = merged_edges(sketches, num_bins)
    expect_equal(bin_edges(handed, num_bins), wanted, given=given, hint=hint)


def _sketch(values: list[float], weights: list[int]) -> Sketch:
    return np.array(values, np.float64), np.array(weights, np.int64)


def cuts_what_two_workers_have(bin_edges: Answer) -> None:
    """Two workers who see different values, two bins."""
    sketches = [_sketch([1, 2, 3], [1, 1, 1]), _sketch([50, 10, 30, 20, 40], [1] * 5)]
    _expect_edges(
        bin_edges,
        sketches,
        2,
        "Edges of the merged column are no average of the workers' edges: put all values together "
        "first, in rising order. An edge is the first value at which its share of the weight is "
        "reached; to reach it exactly is enough.",
    )


def cuts_by_weight(bin_edges: Answer) -> None:
    """Values that stand for many rows, four bins."""
    sketches = [_sketch([1, 2, 3, 4], [8, 8, 1, 1]), _sketch([3, 5, 6, 7], [1, 2, 2, 1])]
    _expect_edges(
        bin_edges,
        sketches,
        4,
        "Bins are of equal weight, not of as many values or of equal width. Add up weights from "
        "below; where two workers have the same value, its weight is that of both.",
    )


def cuts_around_a_frequent_value(bin_edges: Answer) -> None:
    """Four bins, two of which one value fills; the largest is heavy too."""
    sketches = [_sketch([0, 1, 2], [20, 2, 2]), _sketch([9, 0], [22, 10])]
    _expect_edges(
        bin_edges,
        sketches,
        4,
        "A value that fills several bins is one edge, not several. The largest value is none: "
        "where the rule takes it, take the one before.",
    )


def cuts_with_a_worker_that_has_nothing(bin_edges: Answer) -> None:
    """Two workers: one has no rows, the other a single value."""
    sketches = [_sketch([], []), _sketch([2, 2], [3, 1])]
    _expect_edges(
        bin_edges,
        sketches,
        4,
        "One value alone cannot be cut: return an array of no edges, of dtype float64.",
    )


# -- dearer_from_depth -----------------------------------------------------------------------------
def _expect_depth(dearer_from_depth: Answer, case: tuple[int, ...], hint: str) -> None:
    """Hold the depth of one case; `case` are the arguments."""
    names = ("num_rows", "num_features", "num_bins", "num_statistics", "cut_words", "word_bytes")
    given = ", ".join(f"{n} = {v}" for n, v in zip((*names, "limit"), case, strict=True))
    expect_equal(dearer_from_depth(*case), first_dearer(*case), given=given, hint=hint)


def depth_of_the_first_line(dearer_from_depth: Answer) -> None:
    """One million rows, 100 features: the first line of the table."""
    _expect_depth(
        dearer_from_depth,
        (10**6, 100, 32, 1, 1, 4, 60),
        "The table has it. A row costs one bit a level: 12 comes out if a bit is charged as a "
        "word, 10 if it is charged as a byte. A full tree splits 2**D - 1 nodes, so what decides "
        "is 2**D against D n, and not D/n.",
    )


def depth_of_the_wide_table(dearer_from_depth: Answer) -> None:
    """Two million rows, 3500 features: the second line."""
    _expect_depth(
        dearer_from_depth,
        (2 * 10**6, 3500, 32, 1, 1, 4, 60),
        "The table has it. Depths begin with 1. D/n is below one in a million here, and yet "
        "PLANET is the dearer one: 3500 features are many.",
    )


def depth_with_three_statistics(dearer_from_depth: Answer) -> None:
    """Regression, words of 8 bytes: 3 statistics a bin, cuts of 7 words."""
    _expect_depth(
        dearer_from_depth,
        (10**6, 10, 32, 3, 7, 8, 60),
        "Each bin holds num_statistics words, and a word has word_bytes bytes of 8 bits.",
    )


def depth_after_a_tie(dearer_from_depth: Answer) -> None:
    """As many rows as make both send the same at depth 1."""
    _expect_depth(
        dearer_from_depth,
        (5696, 4, 8, 3, 7, 8, 60),
        "Both send 768 bytes at depth 1, where one node is split. Sending the same is not more.",
    )


def depth_at_the_limit(dearer_from_depth: Answer) -> None:
    """Seven levels and six as a limit of the same regression."""
    for limit in (7, 6):
        _expect_depth(
            dearer_from_depth,
            (10**6, 10, 32, 3, 7, 8, limit),
            "The limit is the last depth to be tried. None, if PLANET sends no more up to there.",
        )
