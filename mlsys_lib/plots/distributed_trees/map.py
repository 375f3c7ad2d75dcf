"""Who sends less, PLANET or Yggdrasil: a map over rows and features, and both against depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from mlsys_lib.plots.collectives.race import spread
from mlsys_lib.plots.style import BLUE, GRID, INK, LINE_MARKERS, MUTED, ORANGE, PAPER, panel

ROW_LIMITS = (1e3, 1e9)
FEATURE_LIMITS = (1.0, 1e5)
_BIT_LIMITS = (1e-2, 1e8)
_SIZE = (4.4, 3.8)
_TINTS = (0.12, 0.26, 0.42, 0.6)
_BANDS = [(BLUE, tint) for tint in _TINTS[::-1]] + [(ORANGE, tint) for tint in _TINTS]
_EDGES = (1e-12, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000, 1e12)  # times as many features as are even
_LINES: dict[str, dict[str, Any]] = {
    "PLANET": {"color": BLUE, "ls": "-"},
    "Yggdrasil": {"color": ORANGE, "ls": "--"},
}
_CROSSING: dict[str, Any] = {"color": INK, "ls": "", "marker": "o", "ms": 10, "fillstyle": "none"}
_NAMES = ((9, 0, "left"), (-9, 0, "right"), (0, 12, "center"))  # points beside a marker


@dataclass(frozen=True)
class Case:
    """A table that somebody has grown trees on, and what it takes to send for one.

    Attributes
    ----------
    name : str
    num_rows, num_features : int
    planet_bytes, yggdrasil_bytes : tuple of int
        Bytes that all ranks send for a full tree of 1, 2, 3, … levels.
    dearer_from : int or None
        The first depth at which PLANET sends more; None if there is none.
    dearer_from_on_paper : int or None
        The same as papers count; see `crossover_depth`.
    """

    name: str
    num_rows: int
    num_features: int
    planet_bytes: tuple[int, ...]
    yggdrasil_bytes: tuple[int, ...]
    dearer_from: int | None
    dearer_from_on_paper: int | None

    def ratio(self, depth: int) -> float:
        """Return how many times as much as Yggdrasil PLANET sends."""
        return self.planet_bytes[depth - 1] / self.yggdrasil_bytes[depth - 1]

    def bits(self, sent_bytes: Sequence[int], workers: int) -> np.ndarray:
        """Return bits for each row and each rank but one: a row's bit goes to all others."""
        return np.array(sent_bytes) * 8 / self.num_rows / (workers - 1)


@dataclass(frozen=True)
class TrafficMap:
    """What both send at one depth.

    Attributes
    ----------
    depth, bins, workers : int
    rows : tuple of int
        Along the map, from the first that can fill a tree.
    even_features : tuple of float
        For each of `rows` the number of features at which both send as much; with more, PLANET
        sends more, in proportion.
    cases : tuple of Case
    """

    depth: int
    bins: int
    workers: int
    rows: tuple[int, ...]
    even_features: tuple[float, ...]
    cases: tuple[Case, ...]


class MapPlot:
    """The map on the left; on the right bits a row of the marked tables, against depth.

    Parameters
    ----------
    names : mapping of str to int
        The cases, and on which side of its marker each name stands: 0 right, 1 left, 2 above.
    max_depth : int
    """

    def __init__(self, names: dict[str, int], max_depth: int) -> None:
        self._looks = dict(zip(names, LINE_MARKERS, strict=True))
        self._make_map()
        self._make_cases(names)
        self._make_key()
        self._make_depths(max_depth)
        self._make_ends()

    def _make_map(self) -> None:
        self._map, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=ROW_LIMITS, ylim=FEATURE_LIMITS,
            xlabel="rows", ylabel="features",
        )  # fmt: skip
        axes.set_position((0.115, 0.125, 0.855, 0.665))
        axes.xaxis.set_label_coords(0.5, -0.105)
        axes.yaxis.set_label_coords(-0.095, 0.5)
        axes.minorticks_off()
        self._map_title = axes.set_title("", x=-0.1, y=1.16)
        self._bands = [_fill(axes, Polygon([(1, 1)] * 3), *look) for look in _BANDS]
        self._hatched = _hatch(axes, Polygon([(1, 1)] * 3))
        thin: dict[str, Any] = {"color": MUTED, "linestyle": "-", "linewidth": 0.6, "marker": ""}
        self._steps = {factor: axes.plot([], [], **thin)[0] for factor in _EDGES[1:-1]}
        self._steps[1].set(color=INK, linewidth=2.2)
        self._empty = axes.text(1, 1, "fewer rows than leaves", rotation=90, color=MUTED)
        self._empty.set(fontsize=8.5, va="center", ha="center")

    def _make_cases(self, names: dict[str, int]) -> None:
        axes = self._map.axes[0]
        look: dict[str, Any] = {"color": INK, "markersize": 6.5, "markeredgecolor": PAPER}
        box = {"facecolor": to_rgba(PAPER, 0.75), "linewidth": 0, "pad": 1}
        self._markers, self._names = {}, {}
        for name, marker in self._looks.items():
            (self._markers[name],) = axes.plot([], [], ls="", marker=marker, zorder=6, **look)
            right, up, side = _NAMES[names[name]]
            text = axes.annotate(name, (1, 1), (right, up), textcoords="offset points", bbox=box)
            text.set(ha=side, va="center", fontsize=8.5, zorder=5)
            self._names[name] = text

    def _make_key(self) -> None:
        axes = self._map.axes[0]
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        text: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8.5}
        edges = 0.185 + 0.0725 * np.arange(len(_EDGES))
        for x, look in zip(edges, _BANDS, strict=False):
            _fill(axes, Polygon(_swatch(x, x + 0.0725), **where), *look)
        left, middle, right = edges[[0, len(_EDGES) // 2, -1]]
        _hatch(axes, Polygon(_swatch(left, middle), **where))
        axes.plot([middle] * 2, [1.067, 1.128], color=INK, lw=2.2, ls="-", marker="", **where)
        axes.text(left - 0.015, 1.097, "PLANET", ha="right", va="center", **text)
        axes.text(right + 0.015, 1.097, "Yggdrasil", ha="left", va="center", **text)
        for x, word in zip(edges[1:-1], ("10³", "10²", "10", "1", "10", "10²", "10³"), strict=True):
            axes.text(x, 1.05, word, ha="center", va="top", **text)

    def _make_depths(self, max_depth: int) -> None:
        self._depths, axes = panel(
            _SIZE, yscale="log", xlim=(0.6, max_depth + 0.2), ylim=_BIT_LIMITS, xlabel="depth D"
        )
        axes.set_title("bits for each row, to each other rank", x=-0.15, y=1.16)
        axes.set_position((0.105, 0.125, 0.575, 0.665))
        axes.xaxis.set_label_coords(0.5, -0.105)
        axes.minorticks_off()
        axes.set_xticks([1, 5, 10, 15])
        axes.set_yticks([10.0**p for p in range(-2, 9, 2)])
        (self._at,) = axes.plot([], [], color=GRID, linestyle="-", linewidth=5, marker="")
        self._planet, self._yggdrasil = (
            {name: _curve(axes, marker=marker, **look) for name, marker in self._looks.items()}
            for look in _LINES.values()
        )
        (self._crossings,) = axes.plot([], [], **_CROSSING)

    def _make_ends(self) -> None:
        axes = self._depths.axes[0]
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "marker": ""}
        self._leaders = {
            name: axes.plot([], [], color=BLUE, ls="-", lw=0.8, **where)[0] for name in self._looks
        }
        self._ends = {
            name: axes.text(1.09, 0, name, transform=axes.transAxes, va="center")
            for name in self._looks
        }
        for x, (name, look) in zip((-0.15, 0.25), _LINES.items(), strict=True):
            axes.plot([x, x + 0.11], [1.097] * 2, **look, **where)
            axes.text(x + 0.14, 1.097, name, transform=axes.transAxes, va="center")
        axes.plot([0.77], [1.097], **where | _CROSSING)
        axes.text(0.82, 1.097, "PLANET passes", transform=axes.transAxes, va="center")

    def draw(self, shown: TrafficMap) -> tuple[Figure, Figure]:
        """Show one position."""
        self._draw_map(shown)
        self._draw_depths(shown)
        return self._map, self._depths

    def _draw_map(self, shown: TrafficMap) -> None:
        self._map_title.set_text(f"depth {shown.depth}: who sends less, and how many times less")
        rows, even = np.array(shown.rows), np.array(shown.even_features)
        for band, low, high in zip(self._bands, _EDGES[:-1], _EDGES[1:], strict=True):
            band.set_xy(_between(rows, even * low, even * high))
        self._hatched.set_xy(_between(rows, even * _EDGES[0], even))
        for factor, line in self._steps.items():
            line.set_data(rows, even * factor)
        blank = np.log10(rows[0] / ROW_LIMITS[0])
        self._empty.set_visible(blank > 0.5)
        self._empty.set_position((ROW_LIMITS[0] * 10 ** (blank / 2), np.sqrt(FEATURE_LIMITS[1])))
        for case in shown.cases:
            self._markers[case.name].set_data([case.num_rows], [case.num_features])
            self._names[case.name].xy = (case.num_rows, case.num_features)

    def _draw_depths(self, shown: TrafficMap) -> None:
        self._at.set_data([shown.depth] * 2, _BIT_LIMITS)
        heights: dict[str, float] = {}
        crossings: list[tuple[float, float]] = []
        for case in shown.cases:
            planet = case.bits(case.planet_bytes, shown.workers)
            yggdrasil = case.bits(case.yggdrasil_bytes, shown.workers)
            for lines, bits in ((self._planet, planet), (self._yggdrasil, yggdrasil)):
                lines[case.name].set_data(range(1, len(bits) + 1), bits)
            self._planet[case.name].set_markevery([shown.depth - 1])
            self._yggdrasil[case.name].set_markevery([len(yggdrasil) - 1])
            heights[case.name] = _height(planet[-1])
            crossings += _crossing(planet, yggdrasil)
        self._crossings.set_data([x for x, _ in crossings], [y for _, y in crossings])
        for name, height in spread(heights, gap=0.08).items():
            self._ends[name].set_y(height)
            self._leaders[name].set_data([1, 1.08], [heights[name], height])


def _curve(axes: Axes, **look: Any) -> Line2D:
    (line,) = axes.plot([], [], linewidth=1.4, markersize=5.5, **look)
    return line


def _fill(axes: Axes, patch: Polygon, color: str, tint: float) -> Polygon:
    patch.set(facecolor=to_rgba(color, tint), linewidth=0)
    axes.add_patch(patch)
    return patch


def _hatch(axes: Axes, patch: Polygon) -> Polygon:
    """Hatch the side of PLANET: in grey, only this tells it apart."""
    patch.set(facecolor="none", edgecolor=BLUE, linewidth=0, hatch="///")
    axes.add_patch(patch)
    return patch


def _swatch(left: float, right: float) -> list[tuple[float, float]]:
    """Return the corners of a part of the key."""
    return [(left, 1.075), (right, 1.075), (right, 1.12), (left, 1.12)]


def _between(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the corners of what lies between two curves, not far beyond the map."""
    ends = FEATURE_LIMITS[0] / 2, FEATURE_LIMITS[1] * 2
    low, high = np.clip(low, *ends), np.clip(high, *ends)
    return np.vstack([np.c_[rows, low], np.c_[rows, high][::-1]])


def _height(bits: float) -> float:
    """Return where on the axis of bits a number stands, from 0 to 1."""
    low, high = np.log(_BIT_LIMITS)
    return float((np.log(bits) - low) / (high - low))


def _crossing(planet: np.ndarray, yggdrasil: np.ndarray) -> list[tuple[float, float]]:
    """Return where PLANET overtakes, on the straight lines between depths; nothing if nowhere."""
    gap = np.log(planet / yggdrasil)
    before = np.flatnonzero((gap[:-1] <= 0) & (gap[1:] > 0))
    share = -gap[before] / (gap[before + 1] - gap[before])
    height = planet[before] ** (1 - share) * planet[before + 1] ** share
    return list(zip((before + 1 + share).tolist(), height.tolist(), strict=True))
