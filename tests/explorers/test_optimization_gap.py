"""The gap: every number is a run's, the error stays below it, and one way diverges on like data."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import simulate
from mlsys_lib.distributed_optimization import Squared, cocoa
from mlsys_lib.explorers.distributed_optimization import gap as module
from mlsys_lib.explorers.distributed_optimization.gap import (
    DATA,
    LOCAL_PASSES,
    NUM_ROUNDS,
    SMALLEST_GAP,
    TARGET,
    WAYS,
    WORKERS,
    certificate,
    certificate_table,
    dealt,
    describe_certificate,
    gap_explorer,
    objective,
    way,
)
from mlsys_lib.plots.distributed_optimization.gap import Certificate, GapPlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(gap_explorer().positions())
MANY = [m for m in WORKERS if m > 1]


def ends_grown(data: str, workers: int) -> bool:
    """Whether adding without the scale ends with a larger gap than it began with."""
    return way(data, workers, "adding, no scale").grows


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(("data", "workers"), [("apart", 3), ("alike", 4), ("mails", 2)])
def test_a_way_is_a_run_and_its_gap_that_of_all_duals_together(
    data: str, workers: int, name: str
) -> None:
    """With ω and ω′ by the formulas, and the gap by the objective of all rows, from the duals."""
    aggregation, scale = {
        "averaging": (1 / workers, 1.0),
        "adding": (1.0, workers),
        "adding, no scale": (1.0, 1.0),
    }[name]
    tables, targets = dealt(data, workers)
    results = simulate(
        cocoa, workers, tables, targets, Squared(), 0.01, NUM_ROUNDS, aggregation=aggregation,
        subproblem_scale=scale, num_local_steps=LOCAL_PASSES * len(targets.values[0]),
        tolerance=SMALLEST_GAP,
    ).results  # fmt: skip
    shown = way(data, workers, name)
    assert (shown.aggregation, shown.scale) == (aggregation, scale)
    assert shown.primal == results[0].primal
    assert shown.dual_values == results[0].dual_values
    last = results[0].weights
    assert shown.primal[-1] == pytest.approx(objective(data).value(last), rel=1e-9)
    if data != "alike":  # there the objective has one copy only, and the duals are those of m
        dual = np.concatenate([result.dual for result in results])
        assert shown.dual_values[-1] == pytest.approx(objective(data).dual_value(dual), rel=1e-6)


def test_copies_have_the_mean_loss_of_one() -> None:
    tables, targets = dealt("alike", 3)
    one = objective("alike")
    copies = replace(one, X=np.vstack(tables.values), y=np.concatenate(targets.values))
    weights = np.random.default_rng(0).standard_normal(one.num_features)
    assert copies.value(weights) == pytest.approx(one.value(weights))


@pytest.mark.parametrize("data", ["apart", "mails"])
@pytest.mark.parametrize("workers", WORKERS)
def test_rows_are_dealt_out_evenly_and_all_of_them(data: str, workers: int) -> None:
    tables, targets = dealt(data, workers)
    assert {len(y) for y in targets.values} == {module.NUM_EXAMPLES // workers}
    assert np.concatenate(targets.values).tolist() == objective(data).y.tolist()
    assert tables.values[-1].shape[1] == objective(data).num_features


def test_the_data_are_what_their_names_say() -> None:
    """Apart: rows of different workers have a cosine near 0. Mails: words in common, above 0."""
    apart, mails = np.asarray(objective("apart").X), objective("mails").X
    cosines = apart[:120] @ apart[120:].T
    assert np.abs(cosines).mean() < 0.06
    rows = np.array([mails[j : j + 1].T @ np.ones(1) for j in range(module.NUM_EXAMPLES)])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    assert (rows[:120] @ rows[120:].T).mean() > 0.03
    for data in DATA:
        assert np.isin(objective(data).y, (-1.0, 1.0)).all()


@pytest.mark.parametrize("position", POSITIONS)
def test_the_gap_is_never_below_the_error(position: dict[str, Any]) -> None:
    shown = certificate(**position)
    assert (shown.way.gaps >= shown.errors - 1e-12).all()
    assert (np.array(shown.way.primal) >= shown.optimum - 1e-12).all()
    assert (np.array(shown.way.dual_values) <= shown.optimum + 1e-12).all()


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", ["averaging", "adding"])
def test_a_safe_scale_never_loses_dual_value(data: str, name: str) -> None:
    for workers in WORKERS:
        assert np.diff(way(data, workers, name).dual_values).min() > -1e-12


@pytest.mark.parametrize("data", ["alike", "mails"])
def test_without_the_scale_it_grows_from_three_workers_on(data: str) -> None:
    """Reference numbers D, erratum E-16. Real mails are as bad as copies."""
    assert [ends_grown(data, m) for m in MANY] == [False, True, True, True, True]
    last = [way(data, m, "adding, no scale").gaps[-1] for m in MANY[1:]]
    assert all(np.diff(np.log(last)) > 0)


def test_on_rows_apart_it_is_the_fastest_and_so_the_fault_stays_hidden() -> None:
    for workers in MANY:
        rounds = {name: way("apart", workers, name).rounds_to(TARGET) or 99 for name in WAYS}
        assert rounds["adding, no scale"] < rounds["adding"] < rounds["averaging"]


def test_adding_copies_is_done_in_two_rounds_and_averaging_slows_with_the_workers() -> None:
    assert [way("alike", m, "adding").rounds_to(TARGET) for m in MANY] == [2] * 5
    assert [way("alike", m, "averaging").rounds_to(TARGET) for m in MANY] == [3, 5, 7, 14, None]


def test_one_worker_has_one_way() -> None:
    for data in DATA:
        first, *others = certificate(data, 1, "adding").ways.values()
        assert all(other.primal == first.primal for other in others)


def test_a_scale_that_is_forgotten_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistake: `adding` runs with ω′ = 1 too."""

    def no_scale(*args: Any, subproblem_scale: float, **options: Any) -> Any:
        return cocoa(*args, subproblem_scale=1.0, **options)

    right = way("alike", 4, "adding")
    module._run.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(module, "cocoa", no_scale)
        wrong = way("alike", 4, "adding")
    module._run.cache_clear()
    assert right.rounds_to(TARGET) == 2
    assert wrong.rounds_to(TARGET) is None


def test_description_and_table_say_the_numbers() -> None:
    shown = certificate("mails", 4, "adding, no scale")
    assert describe_certificate(shown) == (
        "CoCoA on ridge regression, data mails (240 real mails, as tf-idf rows, dealt out), m = 4, "
        "adding, no scale (ω = 1, ω′ = 1). The band between f(w) and dual(ζ) is 0.5 wide at the "
        "start and 0.14 after one round; the minimum f* = 0.228 lies inside. Rounds to a gap of "
        "0.001, of at most 20: averaging: 9; adding: 4; adding, no scale: not reached, the gap "
        "grows to 3.8 · 10⁶. The error f(w) - f* is below the gap in every round: after one it is "
        "0.093."
    )
    assert "With one worker all three are the same" in describe_certificate(
        certificate("alike", 1, "adding")
    )
    header, rows = certificate_table(shown)
    assert len(rows) == NUM_ROUNDS + 1
    assert all(len(row) == len(header) for row in rows)
    assert rows[0] == (0, "0.5", "0", "0.5", "0.272", "0.5", "0.5")
    assert float(rows[-1][3]) == pytest.approx(shown.way.gaps[-1], rel=1e-3)
    assert certificate_table(certificate("apart", 2, "adding"))[1][-1][1] == "stopped"


def test_the_title_tells_what_became_of_the_run() -> None:
    assert certificate("apart", 4, "adding").verdict == "gap ≤ 0.001 after 6 rounds"
    assert certificate("apart", 1, "adding").verdict == "gap ≤ 0.001 after 1 round"
    assert certificate("apart", 16, "averaging").verdict == "after 20 rounds the gap is still 0.033"
    assert certificate("alike", 16, "adding, no scale").verdict == "the gap grows to 5.8 · 10²⁹"


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(gap_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = gap_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: the mark of the round that reaches the target stays where it was."""

    class Forgetful(GapPlot):
        def draw(self, shown: Certificate) -> Any:
            before = self._reached.get_xydata().copy()
            drawn = super().draw(shown)
            if len(before):
                self._reached.set_data(*before.T)
            return drawn

    wrong = replace(gap_explorer(), plot=lambda: Forgetful(NUM_ROUNDS, TARGET))
    assert wrong.frame(POSITIONS[0]) == wrong.fresh_frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[-1]) != wrong.fresh_frame(POSITIONS[-1])


def test_the_page_is_light() -> None:
    page = gap_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
