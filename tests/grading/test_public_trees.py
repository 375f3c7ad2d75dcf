"""The exercises to Distributed trees: what they hold answers to, and what catches each mistake."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import halving_doubling_all_reduce, ring_all_gather, tree_all_reduce
from mlsys_lib.distributed_trees.bins import edges_of
from mlsys_lib.distributed_trees.cost import crossover_depth, full_levels
from mlsys_lib.distributed_trees.criterion import Variance
from mlsys_lib.distributed_trees.histogram_tree import count
from mlsys_lib.distributed_trees.splits import best_split
from mlsys_lib.distributed_trees.voting import elect
from mlsys_lib.grading.public.distributed_trees import TESTS
from mlsys_lib.grading.public.distributed_trees.cuts import cut_of, telling_histogram
from mlsys_lib.grading.public.distributed_trees.depths import first_dearer, rows_that_tie
from mlsys_lib.grading.public.distributed_trees.edges import draw_sketches, merged_edges
from mlsys_lib.grading.public.distributed_trees.summaries import own_shards
from mlsys_lib.grading.public.distributed_trees.travel import (
    draw_rows,
    expect_elected,
    expect_level_histograms,
    expect_routed,
    histograms_of,
)
from mlsys_lib.grading.public.distributed_trees.votes import ballot, draw_gains, elected
from mlsys_lib.grading.variants import variant
from tests.grading.assignment import Assignment

SECRETS = (b"one", b"two", b"three")

# What each planted mistake is caught by among the public tests: words of what the learner reads.
CAUGHT = {
    "merge_summaries": {
        "means_without_weights": "as often as its shard has rows",
        "forgets_between_shards": "shards differ from each other",
        "counts_shards": "both count, by rows",
        "squares_the_mean_too_early": "shards differ from each other",
        "sample_variance": "not by the count less one",
        "divides_by_no_rows": "division by zero",
    },
    "best_cut": {
        "largest_impurity": "squared deviations shall be small",
        "one_bin_further": "keeps bins 0 to b on the left",
        "unweighted_variances": "counts by its rows",
        "means_far_apart": "counts by its rows",
        "counts_bins": "counts by its rows",
        "last_of_ties": "take the lowest",
        "an_empty_side": "Either side must have a row",
        "always_cuts": "None where no cut gains",
    },
    "bin_edges": {
        "averages_the_edges": "no average of the workers' edges",
        "equal_widths": "its share of the weight",
        "more_than_its_share": "to reach it exactly is enough",
        "forgets_weights": "Add up weights",
        "weight_of_the_last": "its weight is that of both",
        "repeats_edges": "one edge, not several",
        "keeps_the_largest": "The largest value is none",
    },
    "dearer_from_depth": {
        "bits_as_words": "got 12.*12 comes out",
        "bits_as_bytes": "got 10.*10 if it is charged as a byte",
        "a_node_a_level": "splits 2",
        "depth_over_rows": "and not D/n",
        "one_too_low": "The table has it",
        "forgets_statistics": "num_statistics words",
        "as_much_is_more": "Sending the same is not more",
        "one_node_too_many": "one node is split",
        "stops_before_the_limit": "The limit is the last depth to be tried",
    },
    "level_histograms": {
        "last_row_wins": "rows that share an index",
        "averages": "not averaged",
        "keeps_its_own": "every rank returns the same",
        "counts_leaves": "Rows of node -1",
        "counts_rows": "its own statistics",
        "gathers_rows": "no rows",
        "single_precision": "bytes sent",
        "one_message_a_feature": "at most 2 messages.*one array",
        "stays_away": r"ended: rank\(s\) \[1\]",
    },
    "route_rows": {
        "a_byte_a_row": "4 bytes sent.*got 32",
        "a_word_a_row": "4 bytes sent.*got 256",
        "everybody_tells": "Only the owner knows",
        "bits_turned_around": "order in which they were packed",
        "zeros_and_ones": "bool.*uint8",
        "whole_bytes_only": "five bits that are no row",
        "drops_the_last_byte": "need two bytes",
        "rank_0_tells": "the root of the broadcast is the owner",
    },
    "elect_features": {
        "elects_alone": "Votes are counted",
        "adds_gains": "Votes are counted and not gains",
        "sends_all_gains": "Only ballots travel",
        "elects_half": "twice as many seats",
        "in_order_of_votes": "rising order",
        "higher_of_equal_ones": "The lower of two features",
        "votes_for_nothing": "a gain of -inf",
        "counts_padding": "-1 on a ballot is no vote",
        "elects_the_unvoted": "has no vote is not elected",
    },
}
IMPORTS = "from mlsys_lib.collectives import ring_all_gather, ring_all_reduce, tree_broadcast"
ASSIGNMENT = Assignment(
    "distributed_trees", TESTS, IMPORTS, CAUGHT, may_warn="invalid value encountered"
)
cell, graded = ASSIGNMENT.cell, ASSIGNMENT.graded


# -- the measures agree with the library -----------------------------------------------------------
@pytest.mark.parametrize("seed", range(20))
def test_the_best_cut_is_the_one_of_the_librarys_best_split(seed):
    histogram = telling_histogram(np.random.default_rng(seed), 2 + seed % 9)
    with_missing = np.vstack([histogram, np.zeros(3)])[None]
    *_, cut = best_split(with_missing, Variance(), np.array([False]), 1.0)
    assert cut == cut_of(histogram)


@pytest.mark.parametrize("seed", range(10))
def test_edges_part_values_as_the_librarys_do(seed):
    rng = np.random.default_rng(seed)
    sketches = draw_sketches(rng, 3, 30)
    values, weights = (np.concatenate(part) for part in zip(*sketches, strict=True))
    distinct, which = np.unique(values, return_inverse=True)
    middles = edges_of(distinct, np.bincount(which, weights), 8)
    ours = merged_edges(sketches, 8)
    assert len(distinct) > 8
    assert (np.searchsorted(ours, distinct) == np.searchsorted(middles, distinct)).all()


@pytest.mark.parametrize("seed", range(10))
def test_depths_are_those_of_the_librarys_crossover(seed):
    rng = np.random.default_rng(seed)
    rows, features, bins, width = (
        int(rng.integers(*span)) for span in ((10, 10**8), (1, 999), (2, 99), (1, 6))
    )
    theirs = crossover_depth(
        rows, features, bins, width=width, cut_words=4 + width, word_bits=64, limit=20
    )
    assert first_dearer(rows, features, bins, width, 4 + width, 8, 20) == theirs


def test_rows_tie_where_one_word_more_decides():
    for depth in (1, 2, 5, 9):
        rows = rows_that_tie(100, 8, depth)
        assert first_dearer(rows - 8, 100, 1, 1, 0, 8, 40) == depth
        assert first_dearer(rows + 8, 100, 1, 1, 0, 8, 40) == depth + 1
    assert first_dearer(rows_that_tie(100, 8, 1), 100, 1, 1, 0, 8, 40) == 2


def test_histograms_are_those_of_the_librarys_count():
    (rows,) = draw_rows(np.random.default_rng(0), (200,), (3, 4, 5, 2))
    assert (histograms_of(rows, 3, 5) == count(*rows, 3, 5)).all()


def test_an_election_by_hand():
    gains = [np.array([5.0, 4, 3, -np.inf]), np.array([-np.inf, 2, 9, 1]), np.full(4, -np.inf)]
    assert elected(gains, 1).tolist() == [0, 2]
    assert elected(gains, 2).tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(10))
def test_the_elected_are_those_of_the_librarys_election(seed):
    gains = draw_gains(np.random.default_rng(seed), 5, 20)
    ballots = np.concatenate([ballot(own, 3) for own in gains]).astype(np.int64)
    assert (elected(gains, 3) == elect(ballots, 6)).all()


# -- right answers that are written in another way -------------------------------------------------
def test_every_all_reduce_that_sends_no_more_may_add_the_histograms():
    ranks = draw_rows(np.random.default_rng(1), (20, 0, 9, 30), (2, 2, 4, 2))
    for all_reduce in (halving_doubling_all_reduce, tree_all_reduce):
        expect_level_histograms(
            lambda comm, *rows, by=all_reduce: by(comm, count(*rows)), ranks, 2, 4
        )


def test_the_owner_may_tell_one_rank_after_the_other():
    def one_by_one(comm, goes_left, owner, num_rows):
        packed = np.packbits(np.zeros(num_rows, bool) if goes_left is None else goes_left)
        if comm.rank == owner:
            for rank in set(range(comm.world_size)) - {owner}:
                comm.send(packed, rank)
        else:
            comm.recv(packed, owner)
        return np.unpackbits(packed, count=num_rows) == 1

    expect_routed(one_by_one, np.arange(19) % 3 == 0, 4, owner=1)


def test_ballots_may_be_counted_in_any_way():
    def by_dict(comm, gains, top_k):
        ranked = sorted((-g, f) for f, g in enumerate(gains) if g > -np.inf)[:top_k]
        ballot = [f for _, f in ranked] + [-1] * (top_k - len(ranked))
        votes = ring_all_gather(comm, np.array(ballot, np.int64)).ravel().tolist()
        order = sorted((-votes.count(f), f) for f in set(votes) - {-1})[: 2 * top_k]
        return np.array(sorted(f for _, f in order), np.int64)

    expect_elected(by_dict, draw_gains(np.random.default_rng(2), 5, 12), 3)


RIGHT = {
    "merge_summaries": """
def merge_summaries(summaries):
    n = sum(count for count, _, _ in summaries)
    total = sum(count * mean for count, mean, _ in summaries)
    squares = sum(count * (variance + mean * mean) for count, mean, variance in summaries)
    return (n, total / n, squares / n - (total / n) ** 2) if n else (0, 0.0, 0.0)
""",
    "best_cut": """
def variance_times_rows(stats):
    n, total, squares = stats
    return n * (squares / n - (total / n) ** 2)

def best_cut(histogram):
    parent = variance_times_rows(histogram.sum(axis=0)) if histogram[:, 0].sum() else 0.0
    best, most = None, 1e-9 * parent
    for cut in range(len(histogram) - 1):
        left, right = histogram[: cut + 1].sum(axis=0), histogram[cut + 1 :].sum(axis=0)
        if left[0] and right[0]:
            gain = parent - variance_times_rows(left) - variance_times_rows(right)
            if gain > most:
                best, most = cut, gain
    return best
""",
    "bin_edges": """
def bin_edges(sketches, num_bins):
    heap = {}
    for values, weights in sketches:
        for value, weight in zip(values.tolist(), weights.tolist()):
            heap[value] = heap.get(value, 0) + weight
    edges, so_far, total = set(), 0, sum(heap.values())
    wanted = [i * total / num_bins for i in range(1, num_bins)]
    for value in sorted(heap)[:-1]:
        so_far += heap[value]
        if wanted and so_far >= wanted[0]:
            edges.add(value)
            wanted = [share for share in wanted if share > so_far]
    if wanted and len(heap) > 1:
        edges.add(sorted(heap)[-2])
    return np.array(sorted(edges), np.float64)
""",
    "dearer_from_depth": """
def dearer_from_depth(n, d, h, c, cut, word, limit):
    for depth in range(1, limit + 1):
        nodes = 2**depth - 1
        if nodes * d * h * c * word > nodes * cut * word + depth * n / 8:
            return depth
""",
}


@pytest.mark.parametrize("exercise", RIGHT)
def test_a_right_answer_that_is_written_in_another_way_passes(exercise):
    for secret in (*SECRETS, *(bytes([i]) for i in range(20))):
        for role in ("public", "hidden"):
            assert graded(exercise, RIGHT[exercise], role, secret) == ""


# -- the notebook ----------------------------------------------------------------------------------
def test_the_notebook_prints_the_shards_that_the_test_merges():
    for student in ("ada", "grace"):
        namespace: dict[str, Any] = {"STUDENT": student, "variant": variant, "print": str}
        exec(cell("merge_summaries", "given"), namespace)
        ours = own_shards(variant(student, "merge_summaries"))
        assert all(map(np.array_equal, namespace["shards"], ours))
        assert sum(map(len, ours)) == 8


def test_the_numbers_of_the_mark_scheme_are_those_of_the_closed_forms():
    def sent_bytes(rows, features, depth):
        nodes = 2**depth - 1
        return nodes * features * 64 * 3 * 8, nodes * 7 * 8 + depth * rows // 8

    first, second = (40_000_000, 60), (50_000, 20_000)
    assert sent_bytes(*first, 8) == (23_500_800, 40_014_280)
    assert sent_bytes(*first, 9) == (47_093_760, 45_028_616)
    assert sent_bytes(*second, 8) == (7_833_600_000, 64_280)
    assert sent_bytes(*second, 9)[0] > 100_000 * sent_bytes(*second, 9)[1]
    halved = [sum(full_levels(depth, subtract=True)) * 60 * 64 * 3 * 8 for depth in (8, 9)]
    assert [round(size / 1e6, 1) for size in halved] == [11.8, 23.6]
    assert round(23.5008 * 2 * 15 / 16, 1) == 44.1
    scheme = cell("choose_by_hand", "manual")
    for number in ("23.5 MB", "40.0 MB", "7.83 GB", "64 kB", "47.1 MB", "45.0 MB", "11.8 MB"):
        assert number in " ".join(scheme.split())
