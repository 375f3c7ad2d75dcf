import numpy as np
import pytest

from mlsys_lib.comm import PerRank, RankError, simulate
from mlsys_lib.distributed_trees import (
    Bins,
    deal_rows,
    exact_bins,
    grow_histogram_tree,
    voting,
    voting_tree,
)
from mlsys_lib.distributed_trees.cost import voting_bytes
from mlsys_lib.distributed_trees.histogram_tree import count
from mlsys_lib.distributed_trees.splits import feature_gains
from mlsys_lib.distributed_trees.tree import LEAF
from mlsys_lib.distributed_trees.voting import NO_VOTE, elect
from tests.conftest import Machine
from tests.distributed_trees.problems import CRITERIA, exact, problem
from tests.distributed_trees.test_planet import shards


def test_if_all_features_are_elected_it_is_the_serial_tree(machine: Machine) -> None:
    p = problem("variance", 50, missing=0.1)
    bins = exact_bins(p.X, 8)
    codes = bins.encode(p.X)
    serial = grow_histogram_tree(codes, p.stats, bins, p.criterion, 3)
    parts = [np.arange(50)[rank :: machine.world_size] for rank in range(machine.world_size)]
    own = [PerRank([table[rows] for rows in parts]) for table in (codes, p.stats)]
    run = machine.run(voting_tree, *own, bins, p.criterion, 3, top_k=4)
    first = run.results[0]
    assert all(tree.same_as(first) for tree in run.results)
    if machine.world_size <= 5:  # else some rank has too few rows of a node to vote on it
        assert first.same_as(serial)


@pytest.mark.parametrize("name", CRITERIA)
def test_on_many_rows_dealt_out_at_random_two_votes_find_the_tree_of_all(name: str) -> None:
    p = problem(name, 6000, 12, weighted=True)
    bins = exact_bins(p.X, 16)
    codes = bins.encode(p.X)
    serial = grow_histogram_tree(codes, p.stats, bins, p.criterion, 2)
    own = [PerRank([table[rank::4] for rank in range(4)]) for table in (codes, p.stats)]
    run = simulate(voting_tree, 4, *own, bins, p.criterion, 2, top_k=2)
    assert all(tree.same_as(serial) for tree in run.results)


def test_its_bytes_are_the_closed_form_and_do_not_grow_with_features(machine: Machine) -> None:
    p = problem("gini", 400, 2)
    world_size, sent = machine.world_size, []
    for copies in (10, 20):
        X = np.hstack([p.X] * copies)
        bins = exact_bins(X, 8)
        codes = bins.encode(X)
        own = [
            [table[rank::world_size] for rank in range(world_size)] for table in (codes, p.stats)
        ]
        run = machine.run(voting_tree, *map(PerRank, own), bins, p.criterion, 1, top_k=3)
        ballots = [ballot(*shard, bins, 1 / world_size) for shard in zip(*own, strict=True)]
        elected = len({feature for votes in ballots for feature in votes})
        assert 3 <= elected <= 6
        form = voting_bytes([1], [elected], 3, bins.num_slots, 3, world_size)
        assert run.ledger.total_bytes == form
        sent.append(form)
    assert sent[0] == sent[1]


def ballot(codes: np.ndarray, stats: np.ndarray, bins: Bins, min_weight: float) -> list[int]:
    """The three features that gain most on one shard, by sorting them."""
    slot = np.zeros(len(codes), np.int64)
    histogram = count(codes, stats, slot, 1, bins.num_slots)[0]
    gain = feature_gains(histogram, CRITERIA["gini"], bins.categorical, min_weight)
    return sorted(range(len(gain)), key=lambda f: (-gain[f], f))[:3]


def test_rows_that_are_sorted_mislead_the_voters() -> None:
    """The planted failure: each rank knows one half of a step, so nobody votes for it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 10))
    X[:, 9] = np.repeat([0.0, 1.0], 200)
    y = 3 * X[:, 9] + X[:, 0]
    p = problem("variance", 400)
    stats = exact(p.criterion.encode(y, np.ones(400)))
    bins = exact_bins(X, 16)
    codes = bins.encode(X)
    best = grow_histogram_tree(codes, stats, bins, p.criterion, 1)
    assert best.feature[0] == 9
    found = {}
    for how, parts in (("sorted", np.split(np.arange(400), 2)), ("dealt", shards(400, 2))):
        own = [PerRank([table[rows] for rows in parts]) for table in (codes, stats)]
        tree = simulate(voting_tree, 2, *own, bins, p.criterion, 1, top_k=1).results[0]
        found[how] = int(tree.feature[0])
    assert found == {"sorted": 0, "dealt": 9}


def test_no_votes_make_a_leaf() -> None:
    p = problem("variance", 12)
    bins = exact_bins(p.X, 4)
    own = [PerRank([table[:0], table[:0]]) for table in (bins.encode(p.X), p.stats)]
    for tree in simulate(voting_tree, 2, *own, bins, p.criterion, 3, top_k=2).results:
        assert tree.num_nodes == 1 and tree.feature[0] == LEAF


def test_most_votes_win_and_ties_go_to_the_lower_feature() -> None:
    ballots = np.array([[5, 2], [5, 7], [2, 7], [1, NO_VOTE]])
    assert elect(ballots, 3).tolist() == [2, 5, 7]
    assert elect(ballots, 2).tolist() == [2, 5]
    assert elect(ballots, 9).tolist() == [1, 2, 5, 7]
    assert elect(np.full((2, 3), NO_VOTE), 4).tolist() == []


def test_no_votes_at_all_are_refused() -> None:
    p = problem("variance", 10)
    bins = exact_bins(p.X, 4)
    with pytest.raises(RankError, match="top_k must be an integer >= 1, got 0"):
        simulate(voting_tree, 1, bins.encode(p.X), p.stats, bins, p.criterion, 2, top_k=0)


def test_each_rank_votes_for_its_best_and_for_nothing_that_gains_nothing() -> None:
    assert voting._votes(np.array([1.0, 3.0, 3.0, -np.inf]), 2).tolist() == [1, 2]
    assert voting._votes(np.array([1.0, -np.inf]), 2).tolist() == [0, NO_VOTE]


def test_twice_as_many_are_elected_as_each_may_name_and_a_rank_weighs_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p = problem("gini", 400, 12)
    bins = exact_bins(p.X, 8)
    seats, lightest, elected = [], set(), []

    def noting_elect(ballots, num_seats):
        chosen = elect(ballots, num_seats)
        seats.append(num_seats)
        elected.append(len(chosen))
        return chosen

    def noting_gains(histogram, criterion, categorical, min_weight):
        lightest.add(min_weight)
        return feature_gains(histogram, criterion, categorical, min_weight)

    monkeypatch.setattr(voting, "elect", noting_elect)
    monkeypatch.setattr(voting, "feature_gains", noting_gains)
    own = deal_rows(4, bins.encode(p.X), p.stats)
    run = simulate(voting_tree, 4, *own, bins, p.criterion, 3, top_k=1, min_weight=20)
    tree = run.results[0]
    assert set(seats) == {2} and lightest == {5.0}
    tried = [int((tree.depth == depth).sum()) for depth in range(3)]
    form = voting_bytes(tried, [sum(elected) // 4], 1, bins.num_slots, 3, 4)
    assert run.ledger.total_bytes == form
    assert tree.stats.sum(axis=1).min() >= 20


def test_categories_are_sorted_before_they_are_voted_on() -> None:
    """In its codes' order the category gains little, and a noisy number would win every vote."""
    category = np.tile(np.arange(6.0), 40)
    y = np.where(category % 2 == 0, 1.0, -1.0)
    noise = np.random.default_rng(0).normal(size=(240, 4))
    number = 0.55 * y + 0.5 * noise[:, 0]
    X = np.column_stack([number, number[:, None] + 0.01 * noise[:, 1:], category])
    bins = exact_bins(X, 16, categorical=[4])
    stats = exact(CRITERIA["variance"].encode(y, np.ones(240)))
    codes = bins.encode(X)
    serial = grow_histogram_tree(codes, stats, bins, CRITERIA["variance"], 3)
    for top_k in (1, 4):
        own = [PerRank(np.split(table, 2)) for table in (codes, stats)]
        args = (*own, bins, CRITERIA["variance"], 3)
        assert simulate(voting_tree, 2, *args, top_k=top_k).results[0].same_as(serial)
    assert serial.feature[0] == 4
