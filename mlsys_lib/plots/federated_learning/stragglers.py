"""Stragglers: dropped, taken with part of their work, or taken and held near the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlsys_lib.plots.collectives.race import spread
from mlsys_lib.plots.style import BLUE, GREEN, INK, ORANGE, panel

_SIZE = (4.4, 3.8)
_LOOKS: dict[str, dict[str, Any]] = {
    "FedAvg, drops": {"color": ORANGE, "linestyle": "--", "linewidth": 1.8, "zorder": 4},
    "FedAvg, takes": {"color": GREEN, "linestyle": "-.", "linewidth": 2.2, "zorder": 3},
    "FedProx": {"color": BLUE, "linestyle": "-", "linewidth": 2.8, "zorder": 2},
}
NAMES = tuple(_LOOKS)
_KEY_AT = (-0.15, 0.31, 0.77)
_LOSS_LIMITS = (0.4, 6.0)
LATE = 5
"""Rounds at the end over which we say where a run is."""


@dataclass(frozen=True)
class Training:
    """A run.

    Attributes
    ----------
    losses : tuple of float
        f(w) on all training examples, before the first round and after each.
    right : tuple of float
        Share of all clients' test examples that are named right, at the same moments.
    num_updates : tuple of int
        How many clients counted in each round.
    """

    losses: tuple[float, ...]
    right: tuple[float, ...]
    num_updates: tuple[int, ...]

    @property
    def end_loss(self) -> float:
        """The median loss after the last rounds."""
        return float(np.median(self.losses[-LATE:]))

    @property
    def end_right(self) -> float:
        """The median share right after the last rounds."""
        return float(np.median(self.right[-LATE:]))


@dataclass(frozen=True)
class Straggling:
    """The three ways on the same data, with the same samples and the same stragglers.

    Attributes
    ----------
    data : str
    share : float
        Of the clients of a round that are late.
    proximal_weight : float
        λ of FedProx.
    num_sampled : int
        Clients of a round.
    trainings : mapping of name to Training
    """

    data: str
    share: float
    proximal_weight: float
    num_sampled: int
    trainings: Mapping[str, Training]

    @property
    def num_late(self) -> int:
        """How many clients of a round are late."""
        return self.num_sampled - self.trainings["FedAvg, drops"].num_updates[0]

    @property
    def title(self) -> str:
        """What is set, but for λ."""
        return f"data {self.data}, {self.share:.0%} stragglers"


class StragglersPlot:
    """Training loss on the left, test accuracy on the right.

    Parameters
    ----------
    num_rounds : int
    """

    def __init__(self, num_rounds: int) -> None:
        self._losses = _Ways(num_rounds, _LOSS_LIMITS, "log")
        axes = self._losses.axes
        axes.set_yticks([0.5, 1, 2, 5])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        self._right = _Ways(num_rounds, (0.0, 1.0), "linear")
        axes = self._right.axes
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")

    def draw(self, shown: Straggling) -> tuple[Figure, Figure]:
        """Show one position."""
        runs, weight = shown.trainings, f"λ = {shown.proximal_weight:g}"
        self._losses.draw({name: run.losses for name, run in runs.items()}, shown, "{:.3g}")
        self._losses.title.set_text(f"training loss: {shown.title}")
        self._right.draw({name: run.right for name, run in runs.items()}, shown, "{:.0%}")
        self._right.title.set_text(f"test accuracy: data {shown.data}, FedProx {weight}")
        return self._losses.figure, self._right.figure


class _Ways:
    """One panel: a line for each way, its name above, and where it ends at the right."""

    def __init__(self, num_rounds: int, limits: tuple[float, float], scale: str) -> None:
        self.figure, self.axes = panel(
            _SIZE, yscale=scale, xlim=(0, num_rounds), ylim=limits, xlabel="rounds"
        )
        axes = self.axes
        axes.set_position((0.12, 0.125, 0.7, 0.7))
        axes.xaxis.set_label_coords(0.5, -0.1)
        self.title = axes.set_title("", x=-0.155, y=1.12)
        self._limits, self._scale = limits, np.log if scale == "log" else np.asarray
        text: dict[str, Any] = {"transform": axes.transAxes, "va": "center", "fontsize": 8.5}
        axes.text(1.07, -0.075, f"last {LATE}\nrounds", transform=axes.transAxes, va="center")
        self._lines, self._leaders, self._ends, self._keys = {}, {}, {}, {}
        for x, (name, look) in zip(_KEY_AT, _LOOKS.items(), strict=True):
            (self._lines[name],) = axes.plot([], [], marker="", **look)
            self._leaders[name] = _leader(axes, look["color"])
            self._ends[name] = axes.text(1.07, 0, "", color=INK, **text)
            where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "marker": ""}
            axes.plot([x, x + 0.1], [1.055] * 2, **look, **where)
            self._keys[name] = axes.text(x + 0.12, 1.055, name, **text)

    def draw(self, values: Mapping[str, tuple[float, ...]], shown: Straggling, form: str) -> None:
        """Show what a way has before the first round and after each."""
        self._keys["FedProx"].set_text(f"FedProx, λ = {shown.proximal_weight:g}")
        low, high = self._scale(np.array(self._limits))
        lasts = {
            name: float((self._scale(np.array(way[-1])) - low) / (high - low))
            for name, way in values.items()
        }
        ends = {name: float(np.median(way[-LATE:])) for name, way in values.items()}
        clipped = {name: min(max(at, 0.03), 0.97) for name, at in lasts.items()}
        for name, height in spread(clipped, gap=0.075).items():
            self._lines[name].set_data(range(len(values[name])), values[name])
            self._ends[name].set(text=form.format(ends[name]), y=height)
            self._leaders[name].set_data([1.0, 1.06], [lasts[name], height])


def _leader(axes: Axes, color: str) -> Any:
    look: dict[str, Any] = {"color": color, "ls": "-", "lw": 0.8, "marker": "", "clip_on": False}
    return axes.plot([], [], transform=axes.transAxes, **look)[0]
