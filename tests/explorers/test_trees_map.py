"""The map: its bytes are those of grown trees, and its line is where both send as much."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.distributed_trees import (
    cost,
    exact_bins,
    grow_exact_tree,
    grow_histogram_tree,
    planet_tree,
    yggdrasil_tree,
)
from mlsys_lib.explorers.distributed_trees import map as module
from mlsys_lib.explorers.distributed_trees import map_explorer
from mlsys_lib.explorers.distributed_trees.map import (
    CASES,
    MAX_DEPTH,
    describe_map,
    map_table,
    sent_bytes,
    traffic_map,
)
from mlsys_lib.plots.distributed_trees import MapPlot, TrafficMap
from tests.distributed_trees.problems import problem
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(map_explorer().positions())
ROWS, FEATURES = 400, 3
GROWN = [(depth, workers) for depth in (1, 2, 4) for workers in (2, 8)]


def ledgers(depth: int, workers: int) -> tuple[int, int]:
    """Grow full trees with 32 bins, all columns on one rank, and return what was sent."""
    p = problem("variance", ROWS, FEATURES)
    bins = exact_bins(p.X, 32)
    codes = bins.encode(p.X)
    for tree in (
        grow_histogram_tree(codes, p.stats, bins, p.criterion, depth),
        grow_exact_tree(p.X, p.stats, p.criterion, depth),
    ):
        assert tree.num_nodes == 2 ** (depth + 1) - 1  # full
    own = [PerRank([table[r::workers] for r in range(workers)]) for table in (codes, p.stats)]
    planet = simulate(planet_tree, workers, *own, bins, p.criterion, depth)
    names = [np.arange(FEATURES if rank == 0 else 0) for rank in range(workers)]
    columns = PerRank([p.X[:, features] for features in names])
    yggdrasil = simulate(
        yggdrasil_tree, workers, columns, p.stats, PerRank(names), p.criterion, depth
    )
    return planet.ledger.total_bytes, yggdrasil.ledger.total_bytes


@pytest.mark.parametrize(("depth", "workers"), GROWN)
def test_bytes_are_those_of_trees_that_were_grown(depth: int, workers: int) -> None:
    assert sent_bytes(ROWS, FEATURES, depth, 32, workers) == ledgers(depth, workers)


@pytest.mark.parametrize("planted", ["words for bits", "no missing code", "no subtraction"])
def test_a_wrong_count_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistakes: each is seen by the ledgers."""
    yggdrasil, planet, levels = cost.yggdrasil_bytes, cost.planet_bytes, cost.full_levels

    def in_words(nodes: Any, rows: Any, *sizes: int) -> int:
        return yggdrasil(nodes, [[64 * n for n in level] for level in rows], *sizes)

    if planted == "words for bits":
        monkeypatch.setattr(module, "yggdrasil_bytes", in_words)
    elif planted == "no missing code":
        monkeypatch.setattr(
            module, "planet_bytes", lambda nodes, k, slots, *sizes: planet(nodes, k, 32, *sizes)
        )
    else:
        monkeypatch.setattr(
            module, "full_levels", lambda depth, subtract: levels(depth, subtract=False)
        )
    assert sent_bytes(ROWS, FEATURES, 4, 32, 8) != ledgers(4, 8)


@pytest.mark.parametrize("position", POSITIONS)
def test_on_either_side_of_the_line_another_one_sends_less(position: dict[str, int]) -> None:
    shown = traffic_map(**position)
    for num_rows, even in zip(shown.rows, shown.even_features, strict=True):
        planet, yggdrasil = sent_bytes(num_rows, int(np.ceil(even)), **position)
        assert planet >= yggdrasil
        if even >= 1:
            planet, yggdrasil = sent_bytes(num_rows, int(even), **position)
            assert planet <= yggdrasil


@pytest.mark.parametrize("position", POSITIONS)
def test_both_panels_tell_the_same_of_the_marked_tables(position: dict[str, int]) -> None:
    """What the line says between two of its points is within a fifth of what was counted."""
    shown = traffic_map(**position)
    for case in shown.cases:
        even = np.exp(
            np.interp(np.log(case.num_rows), np.log(shown.rows), np.log(shown.even_features))
        )
        assert case.num_features / even == pytest.approx(case.ratio(shown.depth), rel=0.2)


@pytest.mark.parametrize("depth", [5, 10])
def test_one_more_level_lowers_the_line_nearly_as_much_as_half_the_rows(depth: int) -> None:
    """The law that D / n misses: 2^D against D n."""
    here, deeper = (traffic_map(d, 32, 2).even_features[-1] for d in (depth, depth + 1))
    assert here / deeper == pytest.approx(2 * depth / (depth + 1), rel=1e-3)


def test_ranks_move_bytes_and_not_the_border() -> None:
    """Either sends everything to m - 1 ranks."""
    few, many = (traffic_map(5, 32, workers) for workers in (2, 64))
    assert few.even_features == pytest.approx(many.even_features)
    for case, of_many in zip(few.cases, many.cases, strict=True):
        assert of_many.planet_bytes[5] == 63 * case.planet_bytes[5]


def test_a_case_is_dearer_from_its_depth_on_and_not_before() -> None:
    for bins in (32, 256):
        for case in traffic_map(5, bins, 8).cases:
            first = case.dearer_from or MAX_DEPTH + 1
            for depth in range(1, MAX_DEPTH + 1):
                assert (case.ratio(depth) > 1) is (depth >= first), (case.name, depth)


def test_as_papers_count_the_depths_are_those_of_the_errata() -> None:
    found = {case.name: case.dearer_from_on_paper for case in traffic_map(5, 32, 8).cases}
    assert found["1 million × 100"] == 6
    assert found["2 million × 3500"] == 1
    assert found["MNIST-8M"] == 6


def test_the_line_begins_where_a_full_tree_has_a_row_in_each_leaf() -> None:
    assert traffic_map(15, 32, 2).rows[0] == 2**15
    assert traffic_map(8, 32, 2).rows[0] == 1000
    assert all(rows >= 2**MAX_DEPTH for rows, _ in CASES.values())


def test_description_and_table_say_the_numbers() -> None:
    shown = traffic_map(5, 32, 8)
    assert describe_map(shown) == (
        "A map of rows against features, for full trees of depth 5, 32 bins and 8 ranks. Yggdrasil "
        "sends less from this many features on: 1 at a thousand rows, 25 at a million rows, 25 000 "
        "at a billion rows. 2 million × 3500: Yggdrasil sends 71 times less; MNIST-8M: Yggdrasil "
        "sends 3.9 times less; Fashion-MNIST: Yggdrasil sends 480 times less; 1 million × 100: "
        "Yggdrasil sends 4 times less; Higgs: PLANET sends 9.3 times less. Second panel: bits for "
        "each row against depth. PLANET doubles with each level, Yggdrasil adds one bit, and the "
        "best cuts of all nodes."
    )
    header, rows = map_table(shown)
    assert len(header) == len(rows[0])
    planet, yggdrasil = sent_bytes(10_500_000, 28, 5, 32, 8)
    assert (planet, yggdrasil) == (4_967_424, 45_965_276)
    assert rows[-1] == ("Higgs", "10 500 000", "28", "4.97 MB", "46 MB", 0.108, 10, 13)


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(map_explorer)


def test_every_fifth_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = map_explorer()
    for position in [*reversed(POSITIONS)][::5]:
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: the hatches stay where they were first drawn."""

    class Forgetful(MapPlot):
        def draw(self, shown: TrafficMap) -> Any:
            before = getattr(self, "before", None)
            drawn = super().draw(shown)
            if before is not None:
                self._hatched.set_xy(before)
            self.before = self._hatched.get_xy().copy()
            return drawn

    right = map_explorer()
    wrong = replace(right, plot=lambda: Forgetful(module._SIDES, MAX_DEPTH))
    assert wrong.frame(POSITIONS[0]) == right.frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[-1]) != wrong.fresh_frame(POSITIONS[-1])


def test_the_page_is_light() -> None:
    page = map_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
