"""Accuracy against bytes on the left; on the right what a step costs as workers join."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from mlsys_lib.core.units import format_bytes
from mlsys_lib.plots.collectives.race import spread
from mlsys_lib.plots.style import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, PURPLE, panel

_SIZE = (4.4, 4.4)
_DASHES, _DOTS = (0, (3.5, 1.3)), (0, (1, 1.1))
_LOOKS: dict[str, dict[str, Any]] = {
    "dense": {"color": INK, "linestyle": "-", "marker": "v"},
    "random-k": {"color": GREEN, "linestyle": _DASHES, "marker": "P"},
    "PowerSGD": {"color": PURPLE, "linestyle": "-.", "marker": "X"},
    "QSGD": {"color": BLUE, "linestyle": "-", "marker": "o"},
    "TernGrad": {"color": BLUE, "linestyle": _DASHES, "marker": "s"},
    "sign": {"color": ORANGE, "linestyle": _DOTS, "marker": "^"},
    "top-k": {"color": GREEN, "linestyle": "-", "marker": "D"},
}
_KEY_LEFT, _KEY_TOP, _KEY_STEP, _NUM_ADDED = (-0.115, 0.515), 1.345, 0.088, 3
_KEY_AT = {
    name: (_KEY_LEFT[row >= _NUM_ADDED], _KEY_TOP - _KEY_STEP * (row % _NUM_ADDED))
    for row, name in enumerate(_LOOKS)
} | {"top-k": (_KEY_LEFT[1], _KEY_TOP - _KEY_STEP * _NUM_ADDED)}
_ERROR_LIMITS, _ERROR_TICKS = (0.21, 0.95), (0.25, 0.3, 0.4, 0.5, 0.7, 0.9)
_BYTE_LIMITS, _STEP_LIMITS = (50.0, 3e6), (40.0, 3e6)
_END: dict[str, Any] = {"linestyle": "", "markersize": 7, "zorder": 5}
_WORKER_TICKS = (2, 8, 32, 128)
_TIE = 1.02


@dataclass(frozen=True)
class Method:
    """A way to send a gradient, and the training with it.

    Attributes
    ----------
    name, setting : str
    is_added : bool
        Whether messages are added on the way, by an all-reduce; else all are gathered.
    errors : tuple of float
        Share of the test images named wrongly, after each step.
    received_bytes : tuple of float
        What a worker has received by then, in the mean over workers.
    step_bytes : tuple of float
        What it receives in a step, for each of `Wire.counts` workers.
    even_at : float or None
        With so many workers a step costs as much as a dense one; None for what is added.
    """

    name: str
    setting: str
    is_added: bool
    errors: tuple[float, ...]
    received_bytes: tuple[float, ...]
    step_bytes: tuple[float, ...]
    even_at: float | None

    @property
    def title(self) -> str:
        """The name, and what was set."""
        return f"{self.name}, {self.setting}" if self.setting else self.name

    def target_bytes(self, target: float) -> float:
        """Return the bytes until the error is at most `target`, where a run ends; inf if never."""
        return self.received_bytes[-1] if self.errors[-1] <= target else float("inf")


@dataclass(frozen=True)
class Wire:
    """All methods at one position.

    Attributes
    ----------
    size : int
        How many times smaller than float32 messages are, where a method can be set.
    workers : int
    memory : bool
        Whether there is an error memory.
    target : float
        An error.
    num_steps : int
        The most that a run takes.
    counts : tuple of int
        Workers along the second panel.
    methods : tuple of Method
        Dense first.
    """

    size: int
    workers: int
    memory: bool
    target: float
    num_steps: int
    counts: tuple[int, ...]
    methods: tuple[Method, ...]

    @property
    def winners(self) -> tuple[Method, ...]:
        """The cheapest at the target; several if they differ by less than a fiftieth."""
        all_bytes = [method.target_bytes(self.target) for method in self.methods]
        limit = _TIE * min(all_bytes)
        return tuple(m for m, cost in zip(self.methods, all_bytes, strict=True) if cost <= limit)

    def to_dense(self, method: Method) -> float:
        """Return what a step of a method costs, as a multiple of a dense one."""
        at = self.counts.index(self.workers)
        return method.step_bytes[at] / self.methods[0].step_bytes[at]


class WirePlot:
    """Ways to the target on the left; bytes of a step against workers on the right.

    Parameters
    ----------
    target : float
        An error.
    counts : tuple of int
        Workers along the second panel.
    """

    def __init__(self, target: float, counts: tuple[int, ...]) -> None:
        self._make_ways(target)
        self._make_steps(counts)

    def _make_ways(self, target: float) -> None:
        self._ways, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=_BYTE_LIMITS, ylim=_ERROR_LIMITS,
            xlabel="received by a worker",
        )  # fmt: skip
        axes.set_position((0.105, 0.11, 0.87, 0.56))
        axes.xaxis.set_label_coords(0.5, -0.13)
        axes.xaxis.set_major_formatter(lambda size_bytes, _: format_bytes(size_bytes))
        axes.set_yticks(_ERROR_TICKS)
        axes.yaxis.set_major_formatter(lambda error, _: f"{error:.0%}")
        axes.minorticks_off()
        self._ways_title = axes.set_title("", x=-0.115, y=1.5)
        axes.plot(_BYTE_LIMITS, [target] * 2, color=MUTED, ls="-", lw=1, marker="")
        where: dict[str, Any] = {"transform": axes.transAxes, "color": MUTED}
        axes.text(0.99, 0.985, "test error", ha="right", va="top", **where)
        for x, heading in zip(_KEY_LEFT, ("added on the way", "gathered"), strict=True):
            axes.text(x, 1.435, heading, va="center", **where)
        self._lines, self._ends, self._names = {}, {}, {}
        for name, look in _LOOKS.items():
            (self._lines[name],) = axes.plot([], [], **look | {"marker": ""})
            (self._ends[name],) = axes.plot([], [], **look | _END)
            self._names[name] = _key(axes, name)

    def _make_steps(self, counts: tuple[int, ...]) -> None:
        self._steps, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=(counts[0], counts[-1]), ylim=_STEP_LIMITS,
            xlabel="workers",
        )  # fmt: skip
        axes.set_position((0.125, 0.11, 0.435, 0.75))
        axes.xaxis.set_label_coords(0.5, -0.1)
        axes.set_xticks(_WORKER_TICKS)
        axes.xaxis.set_major_formatter(lambda workers, _: f"{workers:.0f}")
        axes.yaxis.set_major_formatter(lambda size_bytes, _: format_bytes(size_bytes))
        axes.minorticks_off()
        self._steps_title = axes.set_title("", x=-0.285, y=1.12)
        where: dict[str, Any] = {"transform": axes.transAxes, "color": MUTED, "va": "center"}
        axes.text(-0.285, 1.071, "received in a step", **where)
        axes.text(1.62, 1.071, "× dense", ha="right", **where)
        axes.text(1.99, 1.071, "even at", ha="right", **where)
        (self._here,) = axes.plot([], [], color=MUTED, ls="-", lw=1, marker="")
        (self._even,) = axes.plot([], [], color=INK, ls="", marker="o", ms=9, fillstyle="none")
        self._costs, self._dots, self._shares = {}, {}, {}
        for name, look in _LOOKS.items():
            (self._costs[name],) = axes.plot([], [], **look | {"marker": ""})
            (self._dots[name],) = axes.plot([], [], **look | _END | {"markersize": 5})
            self._shares[name] = _Share(axes, name)

    def draw(self, shown: Wire) -> tuple[Figure, Figure]:
        """Show one position."""
        self._draw_ways(shown)
        self._draw_steps(shown)
        return self._ways, self._steps

    def _draw_ways(self, shown: Wire) -> None:
        winners = shown.winners
        names = " and ".join(method.name for method in winners)
        self._ways_title.set_text(f"fewest bytes to {shown.target:.0%}: {names}")
        for method in shown.methods:
            won, name = method in winners, method.name
            reached = method.errors[-1] <= shown.target
            self._lines[name].set_data(method.received_bytes, method.errors)
            self._lines[name].set_linewidth(2.8 if won else 1.5)
            self._ends[name].set_data(method.received_bytes[-1:], method.errors[-1:])
            self._ends[name].set_markerfacecolor(_LOOKS[name]["color"] if reached else PAPER)
            self._names[name].set_text(f"{method.title}: {ending(method, shown.target)}")
            self._names[name].set_fontweight("bold" if won else "normal")

    def _draw_steps(self, shown: Wire) -> None:
        self._steps_title.set_text(_dearer_text(shown))
        self._here.set_data([shown.workers] * 2, _STEP_LIMITS)
        at = shown.counts.index(shown.workers)
        ends = {method.name: _height(method.step_bytes[-1]) for method in shown.methods}
        places = spread(ends, gap=0.062)
        for method in shown.methods:
            name = method.name
            self._costs[name].set_data(shown.counts, method.step_bytes)
            self._dots[name].set_data([shown.workers], [method.step_bytes[at]])
            self._shares[name].move(
                ends[name], places[name], shown.to_dense(method), method.even_at
            )
        dense = shown.methods[0].step_bytes
        evens = [method.even_at for method in shown.methods if method.even_at]
        inside = [even for even in evens if shown.counts[0] <= even <= shown.counts[-1]]
        self._even.set_data(inside, np.interp(inside, shown.counts, dense))


class _Share:
    """A method's name at the end of its curve, and two numbers about its step."""

    def __init__(self, axes: Axes, name: str) -> None:
        color = _LOOKS[name]["color"]
        where: dict[str, Any] = {"transform": axes.transAxes}
        look: dict[str, Any] = {"color": color, "ls": "-", "lw": 0.8, "marker": ""}
        (self._leader,) = axes.plot([], [], clip_on=False, **look, **where)
        self._name = axes.text(1.08, 0, name, va="center", **where)
        self._cost = axes.text(1.62, 0, "", va="center", ha="right", **where)
        self._even = axes.text(1.99, 0, "", va="center", ha="right", **where)

    def move(self, end: float, place: float, cost: float, even_at: float | None) -> None:
        """Stand at `place`, for a curve that ends at height `end`."""
        self._leader.set_data([1, 1.07], [end, place])
        self._name.set_y(place)
        self._cost.set(y=place, text=f"{cost:.2f}", fontweight="bold" if cost > 1 else "normal")
        self._even.set(y=place, text="" if even_at is None else f"{even_at:.0f}")


def ending(method: Method, target: float) -> str:
    """Return the bytes to the target, or where the error ended."""
    cost = method.target_bytes(target)
    return f"ends at {method.errors[-1]:.0%}" if np.isinf(cost) else format_bytes(cost)


def _dearer_text(shown: Wire) -> str:
    """Name the methods whose step costs more than a dense one."""
    dearer = [m.name for m in shown.methods if shown.to_dense(m) > 1.005]
    names = " and ".join(dearer) if dearer else "none"
    return f"{shown.workers} workers; dearer than dense: {names}"


def _height(step_bytes: float) -> float:
    """Return the height of so many bytes, as a share of the right panel."""
    low, high = np.log(_STEP_LIMITS)
    return float((np.log(step_bytes) - low) / (high - low))


def _key(axes: Axes, name: str) -> Text:
    """Draw an entry of the key, and return its text."""
    (x, y), look = _KEY_AT[name], _LOOKS[name]
    where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "markevery": [1]}
    axes.plot([x, x + 0.035, x + 0.07], [y] * 3, **where, **look)
    return axes.text(x + 0.085, y, "", transform=axes.transAxes, va="center", fontsize=8.5)
