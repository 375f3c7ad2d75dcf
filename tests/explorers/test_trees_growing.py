"""The growing tree: it is the tree that was grown, and every byte is one of the ledger."""

import gzip
import math

import numpy as np
import pytest

from mlsys_lib.distributed_trees.cost import full_levels, planet_bytes
from mlsys_lib.explorers.distributed_trees import growing as module
from mlsys_lib.explorers.distributed_trees import growing_explorer
from mlsys_lib.explorers.distributed_trees.growing import (
    KINDS,
    LEVELS,
    describe_growth,
    growth,
    growth_table,
    regions_and_cuts,
    sent_bytes,
    serial_tree,
)
from mlsys_lib.plots.distributed_trees import Growth
from tests.explorers import test_collectives_layout as layout

WORKERS = (2, 4, 8)
RUNS = [(strategy, workers) for strategy in KINDS for workers in WORKERS]


def says(shown: Growth, X: np.ndarray) -> np.ndarray:
    """What the drawn regions predict for each row; each row lies in exactly one."""
    inside = np.array(
        [((X > r.low) & (X <= r.high)).all(axis=1) for r in shown.regions]
    )  # a row at a threshold goes left
    assert (inside.sum(axis=0) == 1).all()
    return np.array([r.predicted for r in shown.regions])[inside.argmax(axis=0)]


@pytest.mark.parametrize("depth", range(LEVELS + 1))
@pytest.mark.parametrize(("strategy", "workers"), RUNS)
def test_the_regions_predict_what_the_tree_of_the_run_predicts(
    strategy: str, workers: int, depth: int
) -> None:
    X, y = module._tumors()
    shown = growth(strategy, workers, depth)
    for tree in module._run(strategy, workers, depth).results:
        assert np.array_equal(says(shown, X), tree.predict(X).argmax(axis=1))
    assert shown.num_wrong == (says(shown, X) != y).sum()


@pytest.mark.parametrize("depth", range(LEVELS + 1))
@pytest.mark.parametrize(("strategy", "workers"), RUNS)
def test_no_cut_is_missed_exactly_where_the_tree_is_the_serial_one(
    strategy: str, workers: int, depth: int
) -> None:
    serial = serial_tree(strategy, depth)
    same = all(tree.same_as(serial) for tree in module._run(strategy, workers, depth).results)
    shown = growth(strategy, workers, depth)
    assert same == (shown.num_missed_cuts == 0)
    assert same == ((shown.regions, shown.cuts) == regions_and_cuts(serial))
    assert same or strategy == "voting"


@pytest.mark.parametrize("depth", range(1, LEVELS + 1))
def test_the_exact_tree_misreads_as_many_as_that_of_scikit_learn(depth: int) -> None:
    from sklearn.tree import DecisionTreeClassifier

    X, y = module._tumors()
    theirs = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(X, y)
    assert growth("Yggdrasil", 4, depth).num_wrong == (theirs.predict(X) != y).sum()


@pytest.mark.parametrize("strategy", KINDS)
def test_newest_cuts_are_those_that_one_level_less_does_not_have(strategy: str) -> None:
    for depth in range(1, LEVELS + 1):
        shown, before = growth(strategy, 4, depth), growth(strategy, 4, depth - 1)
        assert {*shown.cuts} - {*before.cuts} == {*shown.newest_cuts}


@pytest.mark.parametrize("depth", range(LEVELS + 1))
@pytest.mark.parametrize(("strategy", "workers"), RUNS)
def test_kinds_add_up_to_the_ledger_of_a_run_to_this_depth(
    strategy: str, workers: int, depth: int
) -> None:
    shown = growth(strategy, workers, depth)
    ledger = module._run(strategy, workers, depth).ledger
    nothing = (0,) * workers
    assert shown.sent_bytes == (ledger.sent_bytes if depth else nothing)
    by_kind = [shown.kind_bytes(kind) for kind in KINDS[strategy]]
    assert tuple(map(sum, zip(*by_kind, strict=True))) == shown.sent_bytes
    assert max(shown.sent_bytes) <= shown.limit_bytes


@pytest.mark.parametrize(("strategy", "workers"), RUNS)
def test_a_shorter_run_sends_the_first_messages_of_a_longer_one(
    strategy: str, workers: int
) -> None:
    """What the kinds are told apart by."""
    longest = module._run(strategy, workers, LEVELS).ledger.messages
    for depth in range(1 if strategy == "PLANET" else 0, LEVELS):
        shorter = module._run(strategy, workers, depth).ledger.messages
        for rank in range(workers):
            mine, all_mine = ([m for m in log if m[0] == rank] for log in (shorter, longest))
            assert mine == all_mine[: len(mine)]


@pytest.mark.parametrize("workers", WORKERS)
def test_histograms_of_planet_are_those_of_the_closed_form(workers: int) -> None:
    """In the four levels that are full, the lighter node of each pair is counted."""
    sent = sent_bytes("PLANET", workers)["histograms"].sum(axis=1)
    nodes = full_levels(4, subtract=True)
    slots = 33  # 32 bins, and missing
    assert sent[:4].tolist() == [planet_bytes([n], 2, slots, 2, workers) for n in nodes]


@pytest.mark.parametrize("workers", WORKERS)
def test_best_cuts_are_seven_numbers_a_node_and_row_bits_one_bit_a_row(workers: int) -> None:
    sent = sent_bytes("Yggdrasil", workers)
    tree = serial_tree("Yggdrasil", LEVELS)
    for level in range(LEVELS):
        tried = int((tree.depth == level).sum())
        assert sent["best cuts"][level].sum() == 2 * (workers - 1) * tried * 7 * 8
        here = (tree.depth == level) & (tree.feature >= 0)
        rows = [tree.stats[here & (tree.feature == f)].sum() for f in (0, 1)]
        assert sent["row bits"][level].sum() == sum((workers - 1) * math.ceil(n / 8) for n in rows)


@pytest.mark.parametrize("workers", WORKERS)
def test_votes_are_one_number_a_node(workers: int) -> None:
    votes = sent_bytes("voting", workers)["votes"]
    tree = module._run("voting", workers, LEVELS).results[0]
    tried = [int((tree.depth == level).sum()) for level in range(LEVELS)]
    assert (votes == np.array(tried)[:, None] * (workers - 1) * 8).all()


def test_two_features_give_work_to_two_ranks_of_yggdrasil_only() -> None:
    assert growth("Yggdrasil", 4, 1).holds == ("radius", "texture", "no column", "no column")
    first = growth("Yggdrasil", 4, 1).newest_bytes["row bits"]
    assert first[0] == max(first) > 0 == first[1]  # the first cut is one of the radius


def test_description_and_table_say_the_numbers() -> None:
    shown = growth("Yggdrasil", 4, 2)
    assert describe_growth(shown) == (
        "Strategy Yggdrasil, 4 ranks, level 2 of 5. The tree has 4 leaves and misreads 62 of 569 "
        "tumors. The newest cuts are 0 of mean radius and 2 of mean texture. It is the same tree "
        "as on one machine. All ranks together have sent 1.01 kB of best cuts and 432 B of row "
        "bits, 888 B of it for the newest level; each rank 240 B to 480 B. Only two ranks can "
        "hold a column, but all of them pass cuts and bits on."
    )
    header, rows = growth_table(shown)
    kinds = ("best cuts (bytes)", "row bits (bytes)")
    assert header == ("rank", "holds", *kinds, "sum (bytes)", "newest level (bytes)")
    assert [row[4] for row in rows] == [*shown.sent_bytes]
    assert rows[0] == (0, "radius", 336, 144, 480, 224)


def test_description_of_the_start_speaks_of_no_cut() -> None:
    assert "has 1 leaf and misreads 212 of 569" in describe_growth(growth("PLANET", 2, 0))
    assert "Nothing is cut and nothing is sent yet." in describe_growth(growth("voting", 8, 0))


def test_description_of_a_tree_that_voting_spoiled_says_so() -> None:
    shown = growth("voting", 2, LEVELS)
    assert shown.num_missed_cuts > 0
    assert f"It misses {shown.num_missed_cuts} of the cuts of one machine." in describe_growth(
        shown
    )


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(growing_explorer)


def test_every_fifth_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = growing_explorer()
    for position in [*reversed(list(explorer.positions()))][::5]:
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_the_page_is_light() -> None:
    page = growing_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
