"""The frontier: its bytes are the closed forms of the trees, its shares those of the test set."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.distributed_trees import Gini, Tree, exact_bins, grow_exact_tree, grow_histogram_tree
from mlsys_lib.distributed_trees.cost import planet_bytes, voting_bytes, yggdrasil_bytes
from mlsys_lib.distributed_trees.tree import LEAF
from mlsys_lib.explorers.distributed_trees import frontier_explorer
from mlsys_lib.explorers.distributed_trees.frontier import (
    BINS,
    LEVELS,
    TOP_K,
    WORKERS,
    all_settings,
    describe_frontier,
    frontier,
    frontier_table,
    grow,
    images,
    setting,
)
from mlsys_lib.plots.distributed_trees import Frontier, FrontierPlot, Setting
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(frontier_explorer().positions())
CLASSES = 10


def serial_tree(bins: int) -> Tree:
    """What one machine grows: by histograms, or exactly without bins."""
    X, y, *_ = images()
    criterion = Gini(CLASSES)
    stats = criterion.encode(y, np.ones(len(y)))
    if not bins:
        return grow_exact_tree(X, stats, criterion, LEVELS)
    cuts = exact_bins(X, bins)
    return grow_histogram_tree(cuts.encode(X), stats, cuts, criterion, LEVELS)


def planet_levels(shown: Setting, tree: Tree) -> tuple[int, ...]:
    """The closed form of each level: one child of each pair is counted."""
    X, *_ = images()
    counted = [1, *(int((tree.depth == d).sum()) // 2 for d in range(1, LEVELS))]
    slots = exact_bins(X, shown.bins).num_slots
    return tuple(planet_bytes([n], X.shape[1], slots, CLASSES, shown.workers) for n in counted)


def yggdrasil_levels(shown: Setting, tree: Tree) -> tuple[int, ...]:
    """The closed form of each level; column f lies on rank f modulo the ranks."""
    rank = np.where(tree.feature == LEAF, -1, tree.feature % shown.workers)
    sent = []
    for depth in range(LEVELS):
        here = tree.depth == depth
        rows = [int(tree.stats[here & (rank == r)].sum()) for r in range(shown.workers)]
        sent.append(yggdrasil_bytes([int(here.sum())], [rows], CLASSES, shown.workers))
    return tuple(sent)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("bins", BINS)
def test_planet_sends_the_closed_form_of_the_serial_tree(bins: int, workers: int) -> None:
    shown, tree = setting("PLANET", bins, workers), serial_tree(bins)
    assert shown.level_bytes == planet_levels(shown, tree)
    planted = replace(shown, sent_bytes=tuple(n // workers for n in shown.sent_bytes))
    assert planted.level_bytes != planet_levels(planted, tree)  # one rank taken for all


@pytest.mark.parametrize("workers", WORKERS)
def test_yggdrasil_sends_the_closed_form_of_the_serial_tree(workers: int) -> None:
    shown, tree = setting("Yggdrasil", 0, workers), serial_tree(0)
    assert shown.level_bytes == yggdrasil_levels(shown, tree)
    planted = replace(shown, sent_bytes=tuple(8 * n for n in shown.sent_bytes))
    assert planted.level_bytes != yggdrasil_levels(planted, tree)  # bytes taken for bits


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("bins", BINS)
def test_voting_sends_votes_and_the_histograms_of_the_elected(bins: int, workers: int) -> None:
    """Of each node at least as many as one rank votes for, at most twice as many."""
    shown = setting("voting", bins, workers)
    tree = grow("voting", bins, workers, LEVELS).results[0]
    slots = exact_bins(images()[0], bins).num_slots
    for depth, sent in enumerate(shown.level_bytes):
        tried = int((tree.depth == depth).sum())
        least, most = (
            voting_bytes([tried], [tried * elected], TOP_K, slots, CLASSES, workers)
            for elected in (TOP_K, 2 * TOP_K)
        )
        total = 2 * (workers - 1) * CLASSES * 8  # before the first level only
        assert least - total <= sent <= most, depth


@pytest.mark.parametrize("bins", [0, *BINS])
def test_planet_and_yggdrasil_are_right_as_often_as_the_serial_tree(bins: int) -> None:
    *_, X_test, y_test = images()
    share = float((serial_tree(bins).predict(X_test).argmax(axis=1) == y_test).mean())
    for workers in WORKERS:
        assert setting("PLANET" if bins else "Yggdrasil", bins, workers).right[-1] == share


def test_the_exact_tree_is_right_about_as_often_as_that_of_scikit_learn() -> None:
    from sklearn.tree import DecisionTreeClassifier

    X, y, X_test, y_test = images()
    for depth, share in enumerate(setting("Yggdrasil", 0, 2).right, start=1):
        theirs = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(X, y)
        assert share == pytest.approx(theirs.score(X_test, y_test), abs=0.01)  # ties


def test_images_are_means_of_sixteen_pixels() -> None:
    from mlsys_lib.datasets import fashion_mnist

    pixels = fashion_mnist()[2].reshape(-1, 28, 28)
    assert images()[2][5, 7 * 2 + 3] == pixels[5, 8:12, 12:16].mean()


def test_every_setting_is_there_once_and_yggdrasil_has_no_bins() -> None:
    assert len({(s.name, s.workers) for s in all_settings()}) == len(all_settings()) == 21
    for workers in WORKERS:
        shown = [frontier("Yggdrasil", bins, workers) for bins in BINS]
        assert len({id(s.chosen) for s in shown}) == 1
        assert len(shown[0].rivals) == 7
    assert "the slider, at 64, is not used" in describe_frontier(frontier("Yggdrasil", 64, 2))


def test_bytes_differ_many_fold_and_shares_by_less_than_two_errors() -> None:
    shown = frontier("PLANET", 64, 8)
    shares = [rival.right[-1] for rival in shown.rivals]
    assert max(shares) - min(shares) < 2 * shown.standard_error
    sent = [rival.sent_bytes[-1] for rival in shown.rivals]
    assert max(sent) > 270 * min(sent)


def test_sending_all_rows_to_all_ranks_is_a_matter_of_rows_and_ranks() -> None:
    assert frontier("PLANET", 4, 8).table_bytes == 7 * 3000 * 49 * 8


def test_description_and_table_say_the_numbers() -> None:
    shown = frontier("PLANET", 16, 4)
    assert describe_frontier(shown) == (
        "PLANET with 16 bins on 4 ranks. After 5 levels the tree names 66.3% of 1 000 test images "
        "right, and 6.4 MB were sent: 230 times as much as Yggdrasil, which gets 66.6% right. All "
        "7 settings lie between 64.2% and 66.6%; the standard error of a share is 1.5%. To send "
        "all rows to all ranks takes 3.53 MB."
    )
    assert "the least of 7 settings with as many ranks" in describe_frontier(
        frontier("Yggdrasil", 4, 8)
    )
    header, rows = frontier_table(shown)
    assert rows[0][0] == "Yggdrasil"
    assert len(rows) == 7
    assert all(len(row) == len(header) and sum(row[1:-2]) == row[-2] for row in rows)


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(frontier_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = frontier_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: what was once bold stays so."""

    class Forgetful(FrontierPlot):
        def draw(self, shown: Frontier) -> Any:
            bold = [text for text in self._key.values() if text.get_fontweight() == "bold"]
            drawn = super().draw(shown)
            for text in bold:
                text.set_fontweight("bold")
            return drawn

    wrong = replace(frontier_explorer(), plot=lambda: Forgetful(all_settings()))
    assert wrong.frame(POSITIONS[0]) == wrong.fresh_frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[-1]) != wrong.fresh_frame(POSITIONS[-1])


def test_the_page_is_light() -> None:
    page = frontier_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
