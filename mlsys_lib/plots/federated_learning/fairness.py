"""Every client's accuracy with a fairness exponent q, and mean, worst tenth and variance for all q.

An arrow leads from a client's accuracy at q = 0, the top of its bar, to that at the chosen q.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mlsys_lib.plots.federated_learning.outcomes import Fairness, Outcome
from mlsys_lib.plots.style import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PURPLE, panel

_SIZE = (4.4, 3.9)
_PALE = 0.45
_TITLE_Y, _KEY_Y = 1.14, 1.06
_RATIO_LIMITS = (0, 2)
_RING: dict[str, Any] = {
    "color": INK, "marker": "o", "markersize": 10, "fillstyle": "none", "linestyle": "",
}  # fmt: skip
_VERBS = {"gains": "gain", "pays": "pay"}
_MOVES: dict[str, dict[str, Any]] = {
    "gains": {"color": BLUE, "marker": "^", "markersize": 6.5, "linewidth": 2.2},
    "pays": {"color": ORANGE, "marker": "v", "markersize": 6.5, "linewidth": 2.2},
    "as before": {"color": MUTED, "marker": "o", "markersize": 4.5, "linewidth": 2.2},
}
_LINES: dict[str, dict[str, Any]] = {
    "mean": {"color": BLUE, "linestyle": "-", "marker": "o"},
    "worst tenth": {"color": ORANGE, "linestyle": "--", "marker": "s"},
    "losses": {"color": PURPLE, "linestyle": "-.", "marker": "D"},
    "accuracies": {"color": GREEN, "linestyle": "-", "marker": "^"},
}


class FairnessPlot:
    """The clients on the left; on the right mean, worst tenth and variance against q.

    Parameters
    ----------
    fairness : sequence of float
        Every q, from 0.
    num_clients : int
    """

    def __init__(self, fairness: Sequence[float], num_clients: int) -> None:
        self._places = {q: place for place, q in enumerate(fairness)}
        self._make_clients(num_clients)
        self._make_all()

    def _make_clients(self, num_clients: int) -> None:
        self._clients, axes = panel(
            _SIZE, xlim=(-0.7, num_clients - 0.3), ylim=(0, 105), yticks=range(0, 101, 20)
        )
        axes.set_position((0.1, 0.185, 0.885, 0.635))
        axes.set_xticks([])  # texts take a third of the time that ticks do
        axes.xaxis.set_label_coords(0.5, -0.2)
        look: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "top", "fontsize": 8.5}
        self._names = [axes.text(i, -3, "", **look) for i in range(num_clients)]
        self._clients_title = axes.set_title("", x=-0.1, y=_TITLE_Y)
        self._bars = [
            Rectangle((i - 0.36, 0), 0.72, 1, facecolor=to_rgba(GRID, 0.5), edgecolor=MUTED, lw=0.8)
            for i in range(num_clients)
        ]
        for bar in self._bars:
            axes.add_patch(bar)
        self._mean_before = _level(axes, num_clients, color=MUTED, linestyle=":", linewidth=1.4)
        self._mean = _level(axes, num_clients, color=INK, linestyle="-", linewidth=1.4)
        self._stems = {
            name: axes.plot([], [], linestyle="-", **{**look, "marker": ""})[0]
            for name, look in _MOVES.items()
        }
        self._heads = {
            name: axes.plot([], [], linestyle="", **look)[0] for name, look in _MOVES.items()
        }
        (self._worst,) = axes.plot([], [], **_RING)
        _client_key(axes)

    def _make_all(self) -> None:
        last = len(self._places)
        limits: dict[str, Any] = {"xlim": (-0.5, last + 0.5), "xticks": range(last + 1)}
        self._all, top = panel(_SIZE, ylim=(0, 100), **limits)
        below = self._all.add_axes((0.115, 0.125, 0.865, 0.235), ylim=_RATIO_LIMITS, **limits)
        top.set_position((0.115, 0.47, 0.865, 0.35))
        top.set(xticks=[], yticks=range(0, 101, 20))
        below.set(
            xticklabels=[*(f"{q:g}" for q in self._places), "∞\nminimax"],
            yticks=[0, 1, 2],
            xlabel="q",
        )
        below.xaxis.set_label_coords(0.5, -0.24)
        self._all_title = top.set_title("", x=-0.13, y=1.255)
        self._pale_is = top.text(0.0, 97, "", color=MUTED, va="top")
        self._bands = [axes.axvspan(0, 1, facecolor=GRID, alpha=0.6) for axes in (top, below)]
        self._rows = {
            name: _Row(axes, x, name)
            for axes, x, name in (
                (top, -0.13, "mean"),
                (top, 0.36, "worst tenth"),
                (below, -0.13, "losses"),
                (below, 0.45, "accuracies"),
            )
        }

    def draw(self, shown: Fairness) -> tuple[Figure, Figure]:
        """Show one q among all."""
        self._draw_clients(shown)
        self._draw_all(shown)
        return self._clients, self._all

    def _draw_clients(self, shown: Fairness) -> None:
        moves, before, now = np.array(shown.moves), shown.before, shown.now
        counts = [f"{(moves == name).sum()} {verb}" for name, verb in _VERBS.items()]
        self._clients_title.set_text(
            f"accuracy in %, q = {shown.q:g}, {shown.data}: {', '.join(counts)}"
        )
        self._clients.axes[0].set_xlabel(shown.names_are)
        for text, name in zip(self._names, shown.names, strict=True):
            text.set_text(name)
        for bar, height in zip(self._bars, before, strict=True):
            bar.set_height(height)
        self._mean_before.set_ydata([shown.outcomes[0.0].mean] * 2)
        self._mean.set_ydata([shown.outcome.mean] * 2)
        for name in _MOVES:
            at = np.flatnonzero(moves == name)
            ends = np.column_stack([before[at], now[at], np.full(len(at), np.nan)])
            self._stems[name].set_data(np.repeat(at, 3), ends.ravel())
            self._heads[name].set_data(at, now[at])
        worst = np.flatnonzero(np.isin(shown.order, shown.outcome.worst))
        self._worst.set_data(worst, now[worst])

    def _draw_all(self, shown: Fairness) -> None:
        self._all_title.set_text(f"every q, {shown.data}: {shown.way_text}")
        place = self._places[shown.q]
        for band in self._bands:
            band.set_x(place - 0.4)
            band.set_width(0.8)
        now, start, end = shown.outcome, shown.outcomes[0.0], shown.minimax
        for name, row in self._rows.items():
            strong, pale = (_curve(runs, name) for runs in (shown.outcomes, shown.others))
            row.draw(place, strong, pale, _height(end, shown.ends_from, name))
        self._pale_is.set_text(f"pale: {shown.other_text}")
        words = {
            "mean": f"mean {start.mean:.1f} → {now.mean:.1f} %",
            "worst tenth": f"worst tenth {start.worst_tenth:.1f} → {now.worst_tenth:.1f} %",
            "losses": f"variance of losses × {_height(now, start, 'losses'):.2g}",
            "accuracies": f"of accuracies × {_height(now, start, 'accuracies'):.2g}",
        }
        for name, text in words.items():
            self._rows[name].text.set_text(text)


class _Row:
    """One quantity against q: both choices, the chosen q, q = ∞, and its name above the axes."""

    def __init__(self, axes: Axes, x: float, name: str) -> None:
        look = _LINES[name]
        pale = look | {"color": to_rgba(look["color"], _PALE), "marker": "", "linewidth": 1.4}
        (self._pale,) = axes.plot([], [], **pale)
        (self._strong,) = axes.plot([], [], markersize=4, **look)
        (self._end,) = axes.plot(
            [], [], color=look["color"], ls="", marker="*", ms=9, clip_on=False
        )
        (self._chosen,) = axes.plot([], [], clip_on=False, **_RING)
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "markevery": [1]}
        y = 1.105 if name in ("mean", "worst tenth") else 1.16
        axes.plot([x, x + 0.04, x + 0.08], [y] * 3, markersize=4, **look, **where)
        self.text = axes.text(x + 0.1, y, "", transform=axes.transAxes, va="center")

    def draw(self, place: int, strong: list[float], pale: list[float], end: float) -> None:
        """Move the marks; `place` is that of the chosen q."""
        self._strong.set_data(range(len(strong)), strong)
        self._pale.set_data(range(len(pale)), pale)
        self._end.set_data([len(strong)], [end])
        self._chosen.set_data([place], [strong[place]])


def _height(outcome: Outcome, start: Outcome, name: str) -> float:
    """Return where a quantity is drawn; variances are divided by those at q = 0."""
    return {
        "mean": outcome.mean,
        "worst tenth": outcome.worst_tenth,
        "losses": outcome.loss_variance / start.loss_variance,
        "accuracies": outcome.variance / start.variance,
    }[name]


def _curve(outcomes: Mapping[float, Outcome], name: str) -> list[float]:
    return [_height(outcome, outcomes[0.0], name) for outcome in outcomes.values()]


def _level(axes: Axes, num_clients: int, **look: Any) -> Any:
    return axes.plot([-0.7, num_clients - 0.3], [0, 0], marker="", zorder=1.5, **look)[0]


def _client_key(axes: Axes) -> None:
    """Name the marks of the left panel, in a row above it."""
    where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    marks: tuple[tuple[float, str, dict[str, Any]], ...] = (
        (-0.075, "q = 0", {"marker": "s", "mfc": to_rgba(GRID, 0.5), "mec": MUTED, "ms": 8}),
        (0.1, "gains", _MOVES["gains"]),
        (0.27, "pays", _MOVES["pays"]),
        (0.43, "worst tenth", _RING),
    )
    for x, name, look in marks:
        axes.plot([x], [_KEY_Y], **{**look, "linestyle": ""}, **where)
        axes.text(x + 0.03, _KEY_Y, name, va="center", **where)
    axes.plot([0.695, 0.755], [_KEY_Y] * 2, color=INK, ls="-", lw=1.4, marker="", **where)
    axes.text(0.77, _KEY_Y, "mean, was", va="center", **where)
    axes.plot([0.955, 1.005], [_KEY_Y] * 2, color=MUTED, ls=":", lw=1.4, marker="", **where)
