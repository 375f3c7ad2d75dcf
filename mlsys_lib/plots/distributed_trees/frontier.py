"""What a byte buys: accuracy against bytes as trees grow, and the bytes of each level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mlsys_lib.core.units import format_bytes
from mlsys_lib.plots.style import BLUE, INK, MUTED, ORANGE, PURPLE, panel

_SIZE = (4.4, 3.8)
_LOOKS: dict[str, dict[str, Any]] = {
    "PLANET": {"color": BLUE, "linestyle": "-", "marker": "o"},
    "voting": {"color": PURPLE, "linestyle": "-.", "marker": "^"},
    "Yggdrasil": {"color": ORANGE, "linestyle": "--", "marker": "s"},
}
_SENT = {
    "PLANET": "histograms of all features",
    "voting": "histograms of elected features, votes",
    "Yggdrasil": "a bit a row, a cut a node",
}
_PALE = 0.45
_BYTE_LIMITS = (3e2, 1e8)
_RIGHT_LIMITS = (0.07, 0.8)
_BINS_AT = {"PLANET": 0.155, "voting": 0.11}  # where the bins stand below the trails


@dataclass(frozen=True)
class Setting:
    """How a tree was grown, and what came of it.

    Attributes
    ----------
    strategy : str
    bins : int
        0 where there are none.
    workers : int
    sent_bytes : tuple of int
        Bytes that all ranks have sent after 1, 2, 3, … levels.
    right : tuple of float
        The share of the test set that the tree of as many levels gets right.
    """

    strategy: str
    bins: int
    workers: int
    sent_bytes: tuple[int, ...]
    right: tuple[float, ...]

    @property
    def name(self) -> str:
        """The strategy and its bins, if it has any."""
        return f"{self.strategy}, {self.bins} bins" if self.bins else self.strategy

    @property
    def level_bytes(self) -> tuple[int, ...]:
        """Bytes that all ranks send in each level."""
        return tuple(np.diff(self.sent_bytes, prepend=0).tolist())


@dataclass(frozen=True)
class Frontier:
    """All settings, and the one that is looked at.

    Attributes
    ----------
    chosen : Setting
    bins : int
        Where the slider stands; a strategy without bins does not use it.
    settings : tuple of Setting
    table_bytes : int
        What it takes to send all ranks the rows that they lack.
    num_test : int
        Rows of the test set.
    """

    chosen: Setting
    bins: int
    settings: tuple[Setting, ...]
    table_bytes: int
    num_test: int

    @property
    def rivals(self) -> tuple[Setting, ...]:
        """The settings with as many ranks, the chosen one among them."""
        return tuple(s for s in self.settings if s.workers == self.chosen.workers)

    @property
    def standard_error(self) -> float:
        """Of the last share: what another test set of this size would change it by."""
        share = self.chosen.right[-1]
        return float(np.sqrt(share * (1 - share) / self.num_test))


class FrontierPlot:
    """Trails of growing trees on the left, bytes of each level on the right.

    Parameters
    ----------
    settings : sequence of Setting
        All that will be drawn.
    """

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._num_levels = len(settings[0].right)
        self._make_trails(settings)
        self._make_levels()

    def _make_trails(self, settings: Sequence[Setting]) -> None:
        self._trails, axes = panel(
            _SIZE, xscale="log", xlim=_BYTE_LIMITS, ylim=_RIGHT_LIMITS,
            xlabel="bytes sent by all ranks", ylabel="test images named right",
        )  # fmt: skip
        axes.set_position((0.145, 0.125, 0.83, 0.715))
        axes.xaxis.set_label_coords(0.5, -0.1)
        axes.yaxis.set_label_coords(-0.135, 0.5)
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        self._title = axes.set_title("", x=-0.155, y=1.09)
        (self._table,) = axes.plot([], [], color=MUTED, ls="-", lw=1, marker="")
        self._table_name = axes.text(1, 0.785, "all rows to all ranks", ha="right", va="top")
        self._table_name.set(color=MUTED, fontsize=8.5)
        self._ends = {(s.name, s.workers): _end(axes, s) for s in settings}
        self._pale = {s.name: _pale(axes, s.strategy) for s in settings}
        self._bins = {s.name: axes.text(1, 0, "", ha="center", va="center") for s in settings}
        axes.text(_BYTE_LIMITS[0] * 1.3, sum(_BINS_AT.values()) / 2, "bins", va="center")
        (self._strong,) = axes.plot([], [], linewidth=2.4, markersize=7, zorder=5)
        (self._error,) = axes.plot([], [], color=INK, ls="-", lw=1.2, marker="_", ms=8, zorder=6)
        self._depths = [
            axes.annotate(f"{depth}", (1, 1), (-9, 3), textcoords="offset points", ha="right")
            for depth in range(1, self._num_levels + 1)
        ]
        for text in self._depths:
            text.set(fontweight="bold", va="center")
        self._make_trail_key()

    def _make_trail_key(self) -> None:
        axes = self._trails.axes[0]
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "linestyle": ""}
        for x, (name, look) in zip((0.0, 0.22, 0.41), _LOOKS.items(), strict=True):
            axes.plot([x], [1.035], color=look["color"], marker=look["marker"], **where)
            axes.text(x + 0.025, 1.035, name, transform=axes.transAxes, va="center")
        axes.plot([0.67], [1.035], color=MUTED, marker="o", fillstyle="none", **where)
        axes.text(0.695, 1.035, "other ranks", transform=axes.transAxes, va="center")

    def _make_levels(self) -> None:
        self._levels, axes = panel(
            _SIZE, yscale="log", xlim=(0.7, self._num_levels + 0.3), ylim=_BYTE_LIMITS,
            xlabel="level",
        )  # fmt: skip
        axes.set_position((0.115, 0.125, 0.86, 0.585))
        axes.xaxis.set_label_coords(0.5, -0.12)
        axes.minorticks_off()
        axes.set_xticks(range(1, self._num_levels + 1))
        self._levels_title = axes.set_title("", x=-0.1, y=1.32)
        self._lines = {name: axes.plot([], [], **look)[0] for name, look in _LOOKS.items()}
        self._key = {}
        for row, (name, look) in enumerate(_LOOKS.items()):
            y = 1.255 - 0.08 * row
            line: dict[str, Any] = {**look, "transform": axes.transAxes, "clip_on": False}
            axes.plot([-0.09, -0.045, 0], [y] * 3, markevery=[1], **line)
            self._key[name] = axes.text(0.03, y, "", transform=axes.transAxes, va="center")

    def draw(self, shown: Frontier) -> tuple[Figure, Figure]:
        """Show one setting among all."""
        self._draw_trails(shown)
        self._draw_chosen(shown)
        self._draw_levels(shown)
        return self._trails, self._levels

    def _draw_trails(self, shown: Frontier) -> None:
        for (_, workers), end in self._ends.items():
            end.set_visible(workers != shown.chosen.workers)
        for rival in shown.rivals:
            self._pale[rival.name].set_data(rival.sent_bytes, rival.right)
            if rival.bins:
                text = self._bins[rival.name]
                text.set_position((rival.sent_bytes[0], _BINS_AT[rival.strategy]))
                text.set_text(f"{rival.bins}")
                text.set_fontweight("bold" if rival is shown.chosen else "normal")
        self._table.set_data([shown.table_bytes] * 2, _RIGHT_LIMITS)
        self._table_name.set_x(shown.table_bytes / 1.1)

    def _draw_chosen(self, shown: Frontier) -> None:
        chosen = shown.chosen
        price, share = format_bytes(chosen.sent_bytes[-1]), f"{chosen.right[-1]:.1%}"
        self._title.set_text(f"{chosen.name}, {chosen.workers} ranks: {share} for {price}")
        self._strong.set(**_LOOKS[chosen.strategy])
        self._strong.set_data(chosen.sent_bytes, chosen.right)
        low, high = (chosen.right[-1] + sign * shown.standard_error for sign in (-1, 1))
        self._error.set_data([chosen.sent_bytes[-1]] * 2, [low, high])
        for text, sent, right in zip(self._depths, chosen.sent_bytes, chosen.right, strict=True):
            text.xy = (sent, right)

    def _draw_levels(self, shown: Frontier) -> None:
        ranks = f"{shown.chosen.workers} ranks"
        self._levels_title.set_text(f"bytes in each level: {shown.bins} bins, {ranks}")
        for rival in shown.rivals:
            if rival.bins not in (0, shown.bins):
                continue
            line, is_chosen = self._lines[rival.strategy], rival is shown.chosen
            line.set_data(range(1, self._num_levels + 1), rival.level_bytes)
            line.set(linewidth=2.6 if is_chosen else 1.3, markersize=7 if is_chosen else 4.5)
            text = self._key[rival.strategy]
            text.set_text(f"{rival.strategy}: {_SENT[rival.strategy]}")
            text.set_fontweight("bold" if is_chosen else "normal")


def _end(axes: Axes, setting: Setting) -> Line2D:
    """Return a hollow mark where a setting ends, for when other ranks are looked at."""
    look = _LOOKS[setting.strategy] | {"linestyle": "", "fillstyle": "none"}
    (mark,) = axes.plot(setting.sent_bytes[-1:], setting.right[-1:], **look)
    mark.set_color(to_rgba(look["color"], _PALE))
    return mark


def _pale(axes: Axes, strategy: str) -> Line2D:
    look = _LOOKS[strategy]
    (line,) = axes.plot([], [], linewidth=1.1, markersize=3, **look)
    line.set_color(to_rgba(look["color"], _PALE))
    return line
