"""The rates: every point is a cell's run, steps to ε reach ε, and slopes are the table's."""

import gzip
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.distributed_optimization import experiments
from mlsys_lib.distributed_optimization.cell import Cell
from mlsys_lib.distributed_optimization.rates import accelerated_cell, all_cells
from mlsys_lib.explorers.distributed_optimization.rates import (
    ACCELERATED,
    CONDITIONS,
    METHODS,
    NUM_RUNS,
    STEPS,
    TOLERANCES,
    all_curves,
    curve,
    describe_rates,
    methods,
    rates,
    rates_explorer,
    rates_table,
)
from mlsys_lib.plots.distributed_optimization.rates import Curve, Key, Rates, RatesPlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(rates_explorer().positions())
LIPSCHITZ, SMOOTH, STRONGLY_CONVEX = CONDITIONS
CELLS: dict[Key, Cell] = {
    (LIPSCHITZ, "gradient descent"): all_cells()[0],
    (LIPSCHITZ, "SGD"): all_cells()[1],
    (SMOOTH, "gradient descent"): all_cells()[2],
    (SMOOTH, "SGD"): all_cells()[3],
    (STRONGLY_CONVEX, "gradient descent"): all_cells()[4],
    (STRONGLY_CONVEX, "SGD"): all_cells()[5],
    ACCELERATED: accelerated_cell(),
}
every_cell = pytest.mark.parametrize("key", CELLS)


def straight(exponent: float) -> Curve:
    """An error of steps to the power -1/exponent, at three points."""
    errors = tuple(steps ** (-1 / exponent) for steps in (1, 10, 100))
    return Curve("", exponent, "", exponent, (1, 10, 100), errors, errors, errors, errors)


@every_cell
def test_a_curve_is_what_its_cell_measures(key: Key) -> None:
    shown = all_curves()[key]
    again = CELLS[key].measure(shown.steps, num_runs=NUM_RUNS)
    assert shown.errors == tuple(again.mean_errors)
    assert shown.bounds == tuple(CELLS[key].bound(steps) for steps in shown.steps)
    assert (shown.lowest, shown.highest) == (tuple(again.errors.min(0)), tuple(again.errors.max(0)))
    assert (shown.rate, shown.exponent) == (CELLS[key].rate, CELLS[key].exponent)


def test_every_cell_is_shown_once_and_acceleration_where_it_has_a_rate() -> None:
    assert set(all_curves()) == set(CELLS)
    shown = [(p["condition"], p["method"]) for p in POSITIONS[:: len(TOLERANCES)]]
    assert sorted(shown) == sorted(CELLS)
    assert methods(SMOOTH) == (*METHODS, "accelerated")


@every_cell
def test_the_bound_holds_at_every_point(key: Key) -> None:
    """With three standard errors granted to a mean over runs."""
    shown = all_curves()[key]
    result = CELLS[key].measure(shown.steps, num_runs=NUM_RUNS)
    surely = result.mean_errors - 3 * result.standard_errors
    assert (surely <= np.array(shown.bounds) * (1 + 1e-12)).all()


@every_cell
def test_the_slope_is_the_exponent_of_the_table(key: Key) -> None:
    shown = all_curves()[key]
    if shown.exponent is None:  # κ = 4: a step leaves (3/5)² of the error at last
        assert shown.slope == pytest.approx(1 / (2 * math.log(5 / 3)), rel=0.15)
    else:
        assert shown.slope == pytest.approx(shown.exponent, abs=0.06)


@every_cell
def test_the_steps_to_a_tolerance_reach_it_and_a_tenth_less_do_not(key: Key) -> None:
    """By runs of just so many steps; a mean is granted three standard errors."""
    for tolerance in TOLERANCES:
        steps = all_curves()[key].steps_to(tolerance) or 1
        if steps == 1:
            continue  # reached at once, or not within the runs
        fewer = min(steps - 1, round(0.9 * steps))
        result = CELLS[key].measure([fewer, steps], num_runs=NUM_RUNS)
        slack = 1.02 + 3 * result.standard_errors / result.mean_errors
        assert result.mean_errors[1] <= tolerance * slack[1]
        assert result.mean_errors[0] > tolerance / slack[0]


def test_what_each_condition_buys() -> None:
    """Smoothness helps gradient descent 400-fold and SGD not in its rate; what helps SGD is μ."""
    steps = {key: shown.steps_to(0.01) or 0 for key, shown in all_curves().items()}
    full, noisy = ([steps[condition, method] for condition in CONDITIONS] for method in METHODS)
    assert full == [10_000, 25, 3]
    assert noisy == pytest.approx([4000, 2300, 56], rel=0.05)
    assert steps[ACCELERATED] == 5


def test_steps_between_two_points_lie_on_the_line_of_the_logarithms() -> None:
    assert straight(1.0).steps_to(0.02) == 50
    assert straight(2.0).steps_to(0.5) == 4
    assert straight(1.0).steps_to(0.01) == 100
    assert straight(1.0).steps_to(1.0) == 1
    assert straight(1.0).steps_to(0.009) is None


def test_plain_gradient_descent_taken_for_the_accelerated_one_is_noticed() -> None:
    """The planted mistake: no momentum. Its slope is that of the cell beside it."""
    planted = replace(accelerated_cell(), run=experiments.huber_errors)
    wrong = curve(ACCELERATED, planted)
    assert wrong.slope == pytest.approx(1, abs=0.06)
    assert (wrong.steps_to(1e-3) or 0) > 10 * (all_curves()[ACCELERATED].steps_to(1e-3) or 0)


def test_description_and_table_say_the_numbers() -> None:
    shown = rates("smooth", "gradient descent", 0.01)
    assert describe_rates(shown) == (
        "f convex and L-smooth, gradient descent. The error falls to 2.5e-05 after 10000 steps, "
        "and is never above 50% of the bound. Steps against 1/ε: slope 1.00, where the table says "
        "1/ε. Steps to ε = 0.01, to two digits: Lipschitz, gradient descent: 10 000; Lipschitz, "
        "SGD: 4 000; smooth, gradient descent: 25; smooth, SGD: 2 300; strongly convex, gradient "
        "descent: 3; strongly convex, SGD: 56; smooth, accelerated: 5. Each cell has a problem of "
        "its own that is hard for it."
    )
    header, rows = rates_table(shown)
    assert len(rows) == 7 and all(len(row) == len(header) for row in rows)
    smooth = "L-smooth", "gradient descent", "1/ε", "slope 1.00", "2", "25", "250", "2 500"
    assert rows[2] == smooth
    assert rows[0][-2:] == ("> 10⁴", "> 10⁴")
    assert STEPS[-1] == 10**4


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(rates_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = rates_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: a cell that was once bold stays so."""

    class Forgetful(RatesPlot):
        def draw(self, shown: Rates) -> Any:
            bold = [cell for cell in self._cells.values() if cell.get_fontweight() == "bold"]
            drawn = super().draw(shown)
            for cell in bold:
                cell.set_fontweight("bold")
            return drawn

    wrong = replace(rates_explorer(), plot=lambda: Forgetful(all_curves()))
    assert wrong.frame(POSITIONS[0]) == wrong.fresh_frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[-1]) != wrong.fresh_frame(POSITIONS[-1])


def test_the_page_is_light() -> None:
    page = rates_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
