"""The convergence table as curves: error against steps, and steps against precision."""

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from mlsys_lib.core.units import format_count
from mlsys_lib.plots.collectives import round_to_two_digits
from mlsys_lib.plots.style import BLUE, GREEN, INK, MUTED, ORANGE, panel, power_of_ten

Key = tuple[str, str]
"""A row and a column of the table: what f is, and the method."""

_SIZE = (4.4, 4.2)
_AXES = (0.115, 0.115, 0.845, 0.585)
_STEP_LIMITS = (1.0, 1e4)
_ERROR_LIMITS = (1e-6, 2.0)
_ROWS: dict[str, dict[str, Any]] = {
    "Lipschitz": {"color": ORANGE, "marker": "s"},
    "smooth": {"color": BLUE, "marker": "o"},
    "strongly convex": {"color": GREEN, "marker": "^"},
}
_COLUMNS: dict[str, dict[str, Any]] = {
    "gradient descent": {"linestyle": "-"},
    "SGD": {"linestyle": "--"},
    "accelerated": {"linestyle": ":"},
}
_ROW_Y = dict(zip(_ROWS, (1.245, 1.165, 1.085), strict=True))
_COLUMN_X = dict(zip(_COLUMNS, (0.175, 0.485, 0.785), strict=True))
_BOX_WIDTHS = dict(zip(_COLUMNS, (0.298, 0.298, 0.246), strict=True))
_HEADER_Y, _TITLE_Y = 1.325, 1.4
_LEFT = -0.11
_PALE, _TINT = 0.65, 0.25
_BOUND: dict[str, Any] = {"color": INK, "linestyle": (0, (6, 2)), "linewidth": 1.2, "marker": ""}
_AT: dict[str, Any] = {"color": INK, "linestyle": "", "marker": "o", "fillstyle": "none"}
_LINE_OF_TEXT = 66  # letters


@dataclass(frozen=True)
class Curve:
    """What one cell of the table claims, and what its runs gave.

    Attributes
    ----------
    rate : str
        Steps until ε, up to constants.
    exponent : float or None
        Of 1/ε in it; None for log 1/ε.
    assumes : str
        What the bound asks of f and of the steps.
    slope : float
        The fitted exponent; for log 1/ε the steps for each factor e of precision.
    steps : tuple of int
    errors, lowest, highest, bounds : tuple of float
        After so many steps: the mean of f - f* over runs, its ends, and the bound of the mean.
    """

    rate: str
    exponent: float | None
    assumes: str
    slope: float
    steps: tuple[int, ...]
    errors: tuple[float, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    bounds: tuple[float, ...]

    @property
    def fit(self) -> str:
        """How the steps grow, in words."""
        if self.exponent is None:
            return f"{self.slope * math.log(10):.1f} steps for each digit"
        return f"slope {self.slope:.2f}"

    def steps_to(self, tolerance: float) -> int | None:
        """Return the steps until the error is at most `tolerance`; None if the runs are shorter.

        Between two measured points the curve is straight in the logarithms.
        """
        good = [error <= tolerance * (1 + 1e-9) for error in self.errors]
        if not any(good):
            return None
        after = good.index(True)
        if after == 0:
            return self.steps[0]
        pair = slice(after - 1, after + 1)
        precision, steps = -np.log(self.errors[pair]), np.log(self.steps[pair])
        exact = math.exp(np.interp(-math.log(tolerance), precision, steps))
        return math.ceil(exact * (1 - 1e-9))


@dataclass(frozen=True)
class Rates:
    """All cells, and the one that is looked at.

    Attributes
    ----------
    chosen : Key
    tolerance : float
        ε, how near the optimum is near enough.
    curves : mapping of Key to Curve
    """

    chosen: Key
    tolerance: float
    curves: Mapping[Key, Curve]

    @property
    def curve(self) -> Curve:
        """The cell that is looked at."""
        return self.curves[self.chosen]

    def steps_text(self, key: Key) -> str:
        """Return the steps of a cell to ε, to two digits."""
        steps = self.curves[key].steps_to(self.tolerance)
        if steps is None:
            return f"> {power_of_ten(self.curves[key].steps[-1])}"
        return format_count(round_to_two_digits(steps))


class RatesPlot:
    """The chosen cell and its bound on the left; on the right all cells, below the table of them.

    Parameters
    ----------
    curves : mapping of Key to Curve
    """

    def __init__(self, curves: Mapping[Key, Curve]) -> None:
        self._make_errors()
        self._make_steps(curves)
        self._make_table(curves)

    def _make_errors(self) -> None:
        self._errors, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=_STEP_LIMITS, ylim=_ERROR_LIMITS,
            xlabel="steps",
        )  # fmt: skip
        _place(axes)
        self._errors_title = axes.set_title("", x=_LEFT, y=_TITLE_Y)
        self._assumes = axes.text(_LEFT, 1.355, "", transform=axes.transAxes, va="top")
        self._assumes.set(fontsize=8.5, linespacing=1.35)
        (self._tolerance,) = axes.plot([], [], color=MUTED, ls="-", lw=0.8, marker="")
        self._between = Polygon([(1, 1)] * 3, linewidth=0)
        axes.add_patch(self._between)
        (self._bound,) = axes.plot([], [], **_BOUND)
        (self._mean,) = axes.plot([], [], lw=2.2, markersize=4)
        (self._reached,) = axes.plot([], [], markersize=10, zorder=6, **_AT)
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        self._swatch = Rectangle((_LEFT, 1.025), 0.07, 0.05, linewidth=0, **where)
        axes.add_patch(self._swatch)
        self._fit = axes.text(_LEFT, 1.165, "", transform=axes.transAxes, va="center")
        (self._mean_key,) = axes.plot(
            [_LEFT, _LEFT + 0.035, _LEFT + 0.07], [1.05] * 3, markevery=[1], lw=2, ms=4, **where
        )
        axes.plot([0.57, 0.66], [1.05] * 2, **where, **_BOUND)
        self._runs = axes.text(_LEFT + 0.085, 1.05, "", transform=axes.transAxes, va="center")
        axes.text(0.675, 1.05, "bound of the mean", transform=axes.transAxes, va="center")

    def _make_steps(self, curves: Mapping[Key, Curve]) -> None:
        self._steps, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=(1 / _ERROR_LIMITS[1], 1 / _ERROR_LIMITS[0]),
            ylim=_STEP_LIMITS, xlabel="1/ε",
        )  # fmt: skip
        _place(axes)
        self._steps_title = axes.set_title("", x=_LEFT, y=_TITLE_Y)
        (self._precision,) = axes.plot([], [], color=MUTED, ls="-", lw=0.8, marker="")
        for key, curve in curves.items():
            look = _look(key) | {"color": to_rgba(_look(key)["color"], _PALE)}
            axes.plot(1 / np.array(curve.errors), curve.steps, lw=1.2, ms=2.5, **look)
        (self._strong,) = axes.plot([], [], lw=2.6, markersize=5, zorder=5)
        (self._needed,) = axes.plot([], [], markersize=10, zorder=6, **_AT)

    def _make_table(self, curves: Mapping[Key, Curve]) -> None:
        axes = self._steps.axes[0]
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        text: dict[str, Any] = {"transform": axes.transAxes, "va": "center", "fontsize": 8.5}
        for name, x in _COLUMN_X.items():
            axes.text(x, _HEADER_Y, name, **text)
        for name, y in _ROW_Y.items():
            axes.text(_LEFT, y, name, **text)
        self._box = Rectangle((0, 0), 0.3, 0.075, linewidth=0.8, edgecolor=INK, **where)
        axes.add_patch(self._box)
        self._cells = {}
        for key in curves:
            x, y = _COLUMN_X[key[1]], _ROW_Y[key[0]]
            axes.plot([x, x + 0.03, x + 0.06], [y] * 3, markevery=[1], ms=3.5, lw=1.4,
                      **_look(key), **where)  # fmt: skip
            self._cells[key] = axes.text(x + 0.075, y, "", **text)

    def draw(self, shown: Rates) -> tuple[Figure, Figure]:
        """Show one cell among all."""
        self._draw_errors(shown)
        self._draw_steps(shown)
        return self._errors, self._steps

    def _draw_errors(self, shown: Rates) -> None:
        curve, look = shown.curve, _look(shown.chosen)
        self._errors_title.set_text(f"{shown.chosen[0]}, {shown.chosen[1]}: f - f*")
        self._assumes.set_text(textwrap.fill(curve.assumes, _LINE_OF_TEXT))
        self._fit.set_text(f"steps against 1/ε: {curve.fit}; the table: {curve.rate}")
        self._mean.set(**look)
        self._mean.set_data(curve.steps, curve.errors)
        self._mean_key.set(**look)
        tint = to_rgba(look["color"], _TINT)
        self._swatch.set_facecolor(tint)
        self._between.set_facecolor(tint)
        low, high = (np.c_[curve.steps, ends] for ends in (curve.lowest, curve.highest))
        self._between.set_xy(np.vstack([low, high[::-1]]))
        is_random = curve.lowest != curve.highest
        self._swatch.set_visible(is_random)
        self._runs.set_text("mean and range of runs" if is_random else "measured")
        self._bound.set_data(curve.steps, curve.bounds)
        self._tolerance.set_data(_STEP_LIMITS, [shown.tolerance] * 2)
        steps = curve.steps_to(shown.tolerance)
        self._reached.set_data([steps] if steps else [], [shown.tolerance] if steps else [])

    def _draw_steps(self, shown: Rates) -> None:
        curve, look = shown.curve, _look(shown.chosen)
        self._steps_title.set_text(f"steps to ε = {tolerance_text(shown.tolerance)}")
        self._strong.set(**look)
        self._strong.set_data(1 / np.array(curve.errors), curve.steps)
        self._precision.set_data([1 / shown.tolerance] * 2, _STEP_LIMITS)
        steps = curve.steps_to(shown.tolerance)
        self._needed.set_data([1 / shown.tolerance] if steps else [], [steps] if steps else [])
        for key, cell in self._cells.items():
            cell.set_text(f"{shown.curves[key].rate}: {shown.steps_text(key)}")
            cell.set_fontweight("bold" if key == shown.chosen else "normal")
        condition, method = shown.chosen
        self._box.set_xy((_COLUMN_X[method] - 0.012, _ROW_Y[condition] - 0.0375))
        self._box.set_width(_BOX_WIDTHS[method])
        self._box.set_facecolor(to_rgba(look["color"], _TINT))


def tolerance_text(tolerance: float) -> str:
    """Return a power of ten as people read it.

    >>> tolerance_text(0.1), tolerance_text(1e-4)
    ('0.1', '10⁻⁴')
    """
    return f"{tolerance:g}" if tolerance >= 0.01 else power_of_ten(tolerance)


def _look(key: Key) -> dict[str, Any]:
    return _ROWS[key[0]] | _COLUMNS[key[1]]


def _place(axes: Axes) -> None:
    axes.set_position(_AXES)
    axes.xaxis.set_label_coords(0.5, -0.11)
    axes.minorticks_off()
