"""The certificate of CoCoA round by round: a band that closes, and its width for three ways."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from mlsys_lib.plots.style import BLUE, GREEN, INK, MUTED, ORANGE, panel, power_of_ten

_SIZE = (4.4, 3.8)
_LOOKS: dict[str, dict[str, Any]] = {
    "averaging": {"color": BLUE, "linestyle": "-."},
    "adding": {"color": GREEN, "linestyle": "-"},
    "adding, no scale": {"color": ORANGE, "linestyle": "--"},
}
_PALE, _TINT = 0.6, 0.2
_VALUE_LIMITS = (-0.3, 0.9)
_GAP_LIMITS = (1e-8, 1e4)
_FAR = 1e3  # the band is cut here, far outside the picture
_KEY_Y = 1.05
_ERROR: dict[str, Any] = {"color": INK, "linestyle": (0, (1, 1.2)), "linewidth": 2, "marker": ""}
_REACHED: dict[str, Any] = {"color": INK, "marker": "o", "markersize": 9, "fillstyle": "none"}


@dataclass(frozen=True)
class Way:
    """A run of CoCoA, with one way to combine what the workers found.

    Attributes
    ----------
    name : str
    aggregation, scale : float
        ω and ω′.
    primal, dual_values : tuple of float
        f(w) and dual(ζ) before the first round and after each.
    """

    name: str
    aggregation: float
    scale: float
    primal: tuple[float, ...]
    dual_values: tuple[float, ...]

    @property
    def gaps(self) -> np.ndarray:
        """f(w) - dual(ζ) at the same moments."""
        return np.subtract(self.primal, self.dual_values)

    @property
    def grows(self) -> bool:
        """Whether the gap ends above where it began."""
        return bool(self.gaps[-1] > self.gaps[0])

    def rounds_to(self, target: float) -> int | None:
        """Return the rounds after which the gap is at most `target`; None if it is not."""
        return next((done for done, gap in enumerate(self.gaps) if gap <= target), None)


@dataclass(frozen=True)
class Certificate:
    """Three ways on the same data, and the one that is looked at.

    Attributes
    ----------
    data, note : str
        Its name, and what a worker holds.
    workers : int
    chosen : str
    ways : mapping of name to Way
    optimum : float
        f*.
    target : float
        The gap at which one would stop.
    num_rounds : int
        The most that a run takes.
    """

    data: str
    note: str
    workers: int
    chosen: str
    ways: Mapping[str, Way]
    optimum: float
    target: float
    num_rounds: int

    @property
    def way(self) -> Way:
        """The run that is looked at."""
        return self.ways[self.chosen]

    @property
    def errors(self) -> np.ndarray:
        """f(w) - f* of that run: what its gap bounds."""
        return np.subtract(self.way.primal, self.optimum)

    @property
    def verdict(self) -> str:
        """What became of that run, in a few words."""
        way = self.way
        rounds, last = way.rounds_to(self.target), len(way.gaps) - 1
        if way.grows:
            return f"the gap grows to {short(way.gaps[-1])}"
        if rounds is None:
            return f"after {last} rounds the gap is still {short(way.gaps[-1])}"
        return f"gap ≤ {short(self.target)} after {rounds_text(rounds)}"


class GapPlot:
    """P and D of the chosen run on the left; on the right the gaps of all three.

    Parameters
    ----------
    num_rounds : int
        Along the axes.
    target : float
    """

    def __init__(self, num_rounds: int, target: float) -> None:
        self._make_band(num_rounds)
        self._make_gaps(num_rounds, target)

    def _make_band(self, num_rounds: int) -> None:
        self._band, axes = panel(_SIZE, xlim=(0, num_rounds), ylim=_VALUE_LIMITS, xlabel="rounds")
        _place(axes)
        self._band_title = axes.set_title("", x=-0.11, y=1.12)
        self._between = Polygon([(0, 0)] * 3, linewidth=0)
        axes.add_patch(self._between)
        (self._optimum,) = axes.plot([], [], color=INK, ls="-", lw=1, marker="")
        (self._primal,) = axes.plot([], [], ls="-", marker="o", markersize=3.5)
        (self._dual,) = axes.plot([], [], ls="--", marker="s", markersize=3)
        self._note = axes.text(0.98, 0.035, "", transform=axes.transAxes, ha="right", color=MUTED)
        self._beyond = axes.text(0.98, 0.93, "", transform=axes.transAxes, ha="right")
        self._key = [
            _key(axes, x, name, **look)
            for x, name, look in (
                (-0.11, "primal f(w)", {"ls": "-", "marker": "o", "ms": 3.5}),
                (0.3, "dual dual(ζ)", {"ls": "--", "marker": "s", "ms": 3}),
            )
        ]
        _key(axes, 0.66, "the minimum f*", color=INK, ls="-", lw=1, marker="")

    def _make_gaps(self, num_rounds: int, target: float) -> None:
        self._gaps, axes = panel(
            _SIZE, yscale="log", xlim=(0, num_rounds), ylim=_GAP_LIMITS, xlabel="rounds"
        )
        _place(axes)
        axes.set_yticks([target, *(10.0**power for power in range(-8, 5, 2))])
        self._gaps_title = axes.set_title("", x=-0.11, y=1.12)
        axes.plot([0, num_rounds], [target] * 2, color=MUTED, ls="-", lw=0.8, marker="")
        self._pale = {name: axes.plot([], [], **_pale(look))[0] for name, look in _LOOKS.items()}
        (self._strong,) = axes.plot([], [], lw=2.8, marker="", zorder=4)
        (self._error,) = axes.plot([], [], zorder=5, **_ERROR)
        (self._reached,) = axes.plot([], [], linestyle="", zorder=6, **_REACHED)
        self._names = {}
        for x, (name, look) in zip((-0.11, 0.175, 0.41), _LOOKS.items(), strict=True):
            self._names[name] = _key(axes, x, name, **look, lw=1.6, marker="")[1]
        _key(axes, 0.85, "error", **_ERROR)

    def draw(self, shown: Certificate) -> tuple[Figure, Figure]:
        """Show one run among the three."""
        self._draw_band(shown)
        self._draw_gaps(shown)
        return self._band, self._gaps

    def _draw_band(self, shown: Certificate) -> None:
        workers = "1 worker" if shown.workers == 1 else f"{shown.workers} workers"
        self._band_title.set_text(f"{shown.chosen}: {workers}, data {shown.data}")
        self._note.set_text(shown.note)
        way, color = shown.way, _LOOKS[shown.chosen]["color"]
        rounds = np.arange(len(way.primal))
        self._primal.set_data(rounds, way.primal)
        self._dual.set_data(rounds, way.dual_values)
        low, high = (np.clip(ends, -_FAR, _FAR) for ends in (way.dual_values, way.primal))
        self._between.set_xy(np.vstack([np.c_[rounds, low], np.c_[rounds, high][::-1]]))
        self._between.set_facecolor(to_rgba(color, _TINT))
        self._optimum.set_data([0, shown.num_rounds], [shown.optimum] * 2)
        for line in (self._primal, self._dual, *(line for line, _ in self._key)):
            line.set_color(color)
        above = f"↑ f(w) ends at {short(way.primal[-1])}"
        self._beyond.set_text(above if way.primal[-1] > _VALUE_LIMITS[1] else "")

    def _draw_gaps(self, shown: Certificate) -> None:
        self._gaps_title.set_text(f"{shown.chosen}: {shown.verdict}")
        for name, way in shown.ways.items():
            self._pale[name].set_data(range(len(way.gaps)), way.gaps)
            self._names[name].set_fontweight("bold" if name == shown.chosen else "normal")
        gaps = shown.way.gaps
        self._strong.set(**_LOOKS[shown.chosen])
        self._strong.set_data(range(len(gaps)), gaps)
        self._error.set_data(range(len(gaps)), shown.errors)
        rounds = shown.way.rounds_to(shown.target)
        at = [] if rounds is None else [rounds]
        self._reached.set_data(at, gaps[at])


def short(value: float) -> str:
    """Write a number with two digits.

    >>> [short(value) for value in (0.25, 0.001, 3.1e-8, 5.8e29)]
    ['0.25', '0.001', '3.1 · 10⁻⁸', '5.8 · 10²⁹']
    """
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits} · {power_of_ten(10.0 ** int(power))}"


def rounds_text(rounds: int) -> str:
    """Return "1 round" or "7 rounds"."""
    return "1 round" if rounds == 1 else f"{rounds} rounds"


def _place(axes: Axes) -> None:
    axes.set_position((0.115, 0.125, 0.865, 0.7))
    axes.xaxis.set_label_coords(0.5, -0.1)
    axes.minorticks_off()


def _pale(look: dict[str, Any]) -> dict[str, Any]:
    return look | {"color": to_rgba(look["color"], _PALE), "linewidth": 1.3, "marker": ""}


def _key(axes: Axes, x: float, name: str, **look: Any) -> tuple[Any, Any]:
    """Return the line and the text of an entry above the axes."""
    where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "markevery": [1]}
    (line,) = axes.plot([x, x + 0.035, x + 0.07], [_KEY_Y] * 3, **where, **look)
    text = axes.text(x + 0.085, _KEY_Y, name, transform=axes.transAxes, va="center", fontsize=8.5)
    return line, text
