"""Time to accuracy: how far from the minimum after how many seconds, and who is first."""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mlsys_lib.core.units import format_seconds
from mlsys_lib.plots.style import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, PURPLE, panel

_SIZE = (4.4, 3.8)
_LOOKS: dict[str, dict[str, Any]] = {
    "gradient descent": {"color": INK, "linestyle": (0, (6, 1, 1, 1, 1, 1)), "marker": "v"},
    "mini-batch SGD": {"color": BLUE, "linestyle": ":", "marker": "D"},
    "one-shot": {"color": ORANGE, "linestyle": "--", "marker": "s"},
    "local SGD": {"color": GREEN, "linestyle": "-.", "marker": "^"},
    "CoCoA": {"color": PURPLE, "linestyle": "-", "marker": "o"},
}
_KEY_AT = ((-0.05, 1.13), (0.355, 1.13), (0.755, 1.13), (-0.05, 1.045), (0.355, 1.045))
_GAP_LIMITS = (4e-4, 0.8)
_SPAN = 1.6e3  # of the axis of seconds, from its first to its last
_EARLIEST_S = 1e-5
_LONGEST = 6.0  # times the fastest, where bars are cut
_TIE = 1.02


@dataclass(frozen=True)
class Path:
    """One method's way towards the minimum, on one network.

    Attributes
    ----------
    name, setting : str
    gaps : tuple of float
        f(w) - f* before the first round and after each.
    compute_s, send_s : tuple of float
        Seconds of computing and of sending until then.
    """

    name: str
    setting: str
    gaps: tuple[float, ...]
    compute_s: tuple[float, ...]
    send_s: tuple[float, ...]

    @property
    def title(self) -> str:
        """The name, and what was set."""
        return f"{self.name}, {self.setting}" if self.setting else self.name

    @property
    def time_s(self) -> tuple[float, ...]:
        """Seconds at each of `gaps`."""
        return tuple(map(sum, zip(self.compute_s, self.send_s, strict=True)))

    def rounds_to(self, target: float) -> int | None:
        """Return the rounds after which the gap is at most `target`; None if it never is."""
        return next((done for done, gap in enumerate(self.gaps) if gap <= target), None)

    def target_s(self, target: float) -> float:
        """Return the seconds to the target; inf if it is not reached."""
        rounds = self.rounds_to(target)
        return float("inf") if rounds is None else self.time_s[rounds]


@dataclass(frozen=True)
class TimeToAccuracy:
    """All methods at one position.

    Attributes
    ----------
    workers : int
    latency_s : float
    local_examples : int
        Read by each worker between two messages of local SGD and of CoCoA.
    target : float
        Of f(w) - f*.
    paths : tuple of Path
    """

    workers: int
    latency_s: float
    local_examples: int
    target: float
    paths: tuple[Path, ...]

    @property
    def best_s(self) -> float:
        """Seconds of the first at the target."""
        return min(path.target_s(self.target) for path in self.paths)

    @property
    def winners(self) -> tuple[Path, ...]:
        """The first at the target; several if they differ by less than a fiftieth."""
        limit_s = _TIE * self.best_s
        return tuple(path for path in self.paths if path.target_s(self.target) <= limit_s)


class TimePlot:
    """Ways to the minimum on the left; on the right who reaches the target when."""

    def __init__(self) -> None:
        self._make_ways()
        self._make_bars()

    def _make_ways(self) -> None:
        self._ways, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=(1e-4, 1), ylim=_GAP_LIMITS,
            xlabel="simulated time", ylabel="f(w) − f*",
        )  # fmt: skip
        axes.set_position((0.125, 0.125, 0.85, 0.655))
        axes.xaxis.set_label_coords(0.5, -0.115)
        axes.yaxis.set_label_coords(-0.105, 0.5)
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda time_s, _: format_seconds(time_s))
        self._axes, self._ways_title = axes, axes.set_title("", x=-0.14, y=1.21)
        (self._target,) = axes.plot([], [], color=MUTED, ls="-", lw=1, marker="")
        self._target_name = axes.text(1, 1, "", color=MUTED, fontsize=8.5, va="bottom")
        self._lines, self._hits = {}, {}
        for (name, look), (x, y) in zip(_LOOKS.items(), _KEY_AT, strict=True):
            (self._lines[name],) = axes.plot([], [], **look | {"marker": ""})
            (self._hits[name],) = axes.plot([], [], **look | {"markersize": 8, "zorder": 5})
            self._hits[name].set(markeredgecolor=PAPER, linestyle="")
            where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
            axes.plot([x - 0.03, x + 0.015, x + 0.06], [y] * 3, markevery=[1], **look, **where)
            axes.text(x + 0.08, y, name, transform=axes.transAxes, va="center", fontsize=8.5)
        self._lines["one-shot"].set_drawstyle("steps-post")

    def _make_bars(self) -> None:
        self._bars, axes = panel(_SIZE, xlim=(0, _LONGEST), ylim=(len(_LOOKS) - 0.45, -0.55))
        axes.set_position((0.035, 0.125, 0.93, 0.73))
        axes.set_xlabel("times as long as the fastest")
        axes.xaxis.set_label_coords(0.5, -0.105)
        axes.set_xticks(range(round(_LONGEST) + 1))
        axes.set_yticks([])
        self._bars_title = axes.set_title("", x=-0.02, y=1.085)
        _bar(axes, (0, -0.72), 0.22, INK).set(facecolor=to_rgba(INK, 0.45))
        axes.text(0.3, -0.72, "computing", va="center", fontsize=8.5)
        _bar(axes, (1.75, -0.72), 0.22, INK).set(facecolor="none", hatch="////")
        axes.text(2.05, -0.72, "sending", va="center", fontsize=8.5)
        self._rows = {
            name: _Row(axes, row, look) for row, (name, look) in enumerate(_LOOKS.items())
        }

    def draw(self, shown: TimeToAccuracy) -> tuple[Figure, Figure]:
        """Show one position."""
        self._draw_ways(shown)
        winners = shown.winners
        names = " and ".join(path.name for path in winners)
        first = names if len(winners) <= 2 else f"{len(winners)} alike"
        self._bars_title.set_text(f"first to reach {shown.target:g}: {first}")
        for path in shown.paths:
            self._rows[path.name].draw(path, shown, won=path in winners)
        return self._ways, self._bars

    def _draw_ways(self, shown: TimeToAccuracy) -> None:
        self._ways_title.set_text(
            f"{shown.workers} workers, latency {format_seconds(shown.latency_s)}"
        )
        first_s = max(_EARLIEST_S, shown.latency_s)
        self._axes.set_xlim(first_s, first_s * _SPAN)
        self._target.set_data([first_s, first_s * _SPAN], [shown.target] * 2)
        self._target_name.set_text(f"target {shown.target:g}")
        self._target_name.set_position((first_s * 1.1, shown.target * 1.05))
        for path in shown.paths:
            self._draw_way(path, shown.target, first_s * _SPAN)
            self._lines[path.name].set_linewidth(2.8 if path in shown.winners else 1.4)

    def _draw_way(self, path: Path, target: float, last_s: float) -> None:
        """Draw to twice the rounds to the target: beyond, constant steps only jump about."""
        rounds = path.rounds_to(target)
        end = None if rounds is None else 2 * rounds + 1
        times_s, gaps = path.time_s[:end], path.gaps[:end]
        if path.name == "one-shot":  # there is nothing after it
            times_s, gaps = (*times_s, last_s), (*gaps, gaps[-1])
        self._lines[path.name].set_data(times_s, gaps)
        hit = [] if rounds is None else [(path.time_s[rounds], path.gaps[rounds])]
        self._hits[path.name].set_data([x for x, _ in hit], [y for _, y in hit])


class _Row:
    """A method's time to the target: its name and numbers, and below them a bar."""

    def __init__(self, axes: Axes, row: int, look: dict[str, Any]) -> None:
        color = look["color"]
        axes.plot([0.08], [row - 0.19], color=color, marker=look["marker"], ms=6, clip_on=False)
        self._name = axes.text(0.25, row - 0.19, "", va="center")
        self._numbers = axes.text(_LONGEST, row - 0.19, "", ha="right", va="center", fontsize=8.5)
        self._computing = _bar(axes, (0, row + 0.15), 0.32, color)
        self._computing.set_facecolor(to_rgba(color, 0.45))
        self._sending = _bar(axes, (0, row + 0.15), 0.32, color)
        self._sending.set(facecolor="none", hatch="////")
        cut: dict[str, Any] = {"color": PAPER, "ls": "-", "lw": 3, "marker": "", "zorder": 4}
        at = _LONGEST - 0.25
        (self._cut,) = axes.plot([at - 0.08, at + 0.08], [row + 0.35, row - 0.05], **cut)

    def draw(self, path: Path, shown: TimeToAccuracy, *, won: bool) -> None:
        """Show how long the method takes, as a multiple of the fastest."""
        rounds = path.rounds_to(shown.target)
        weight = "bold" if won else "normal"
        self._name.set(text=path.title, fontweight=weight)
        if rounds is None:
            self._numbers.set_text(f"not reached: {path.gaps[-1]:.2g}")
            computing = sending = 0.0
        else:
            words = "1 round" if rounds == 1 else f"{rounds} rounds"
            self._numbers.set_text(f"{words}, {format_seconds(path.time_s[rounds])}")
            computing = path.compute_s[rounds] / shown.best_s
            sending = path.send_s[rounds] / shown.best_s
        self._numbers.set_fontweight(weight)
        ends = min(computing, _LONGEST), min(computing + sending, _LONGEST)
        self._computing.set_width(ends[0])
        self._sending.set_x(ends[0])
        self._sending.set_width(ends[1] - ends[0])
        self._cut.set_visible(computing + sending > _LONGEST)
        self._computing.set_visible(rounds is not None)
        self._sending.set_visible(rounds is not None)


def _bar(axes: Axes, at: tuple[float, float], height: float, color: str) -> Rectangle:
    x, middle = at
    bar = Rectangle((x, middle - height / 2), 0.22, height, edgecolor=color, linewidth=1)
    bar.set_clip_on(False)
    axes.add_patch(bar)
    return bar
