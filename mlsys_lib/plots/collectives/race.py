"""Which all-reduce is the fastest: time against message size, and the order at one size."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from mlsys_lib.core.units import format_count, format_seconds
from mlsys_lib.plots.style import CYCLE, INK, MUTED, panel

_SIZE = (4.4, 3.4)
_DECADES = {10.0**p: format_seconds(10.0**p) for p in range(-9, 0)} | {
    1.0: "1 s",
    1e1: "10 s",
    1e2: "100 s",
    1e3: "1000 s",
    1e4: "10⁴ s",
    1e5: "10⁵ s",
    1e6: "10⁶ s",
}
_POWERS = {10: "10", 10**3: "10³", 10**5: "10⁵", 10**7: "10⁷", 10**9: "10⁹"}

_PORT = "A tenth of each latency keeps the port busy."


@dataclass(frozen=True)
class Race:
    """Times of several all-reduces on one network.

    Attributes
    ----------
    workers, num_elements : int
        The world, and the message size that is looked at.
    sizes : tuple of int
        Message sizes in numbers, along which the curves run.
    curves_s : mapping of name to tuple of float
        Seconds at each of `sizes`.
    limits_s : (float, float)
        The vertical range, the same for all networks of as many workers.
    times_s : mapping of name to float
        Seconds at `num_elements`.
    ring_wins_from : mapping of name to float
        Numbers from which the ring is faster than this one; 0 is always, inf never.
    """

    workers: int
    num_elements: int
    sizes: tuple[int, ...]
    curves_s: Mapping[str, tuple[float, ...]]
    limits_s: tuple[float, float]
    times_s: Mapping[str, float]
    ring_wins_from: Mapping[str, float]

    @property
    def winners(self) -> tuple[str, ...]:
        """The fastest at `num_elements`; several if they differ by less than a thousandth."""
        best_s = min(self.times_s.values())
        return tuple(name for name, time_s in self.times_s.items() if time_s <= 1.001 * best_s)

    @property
    def overtakings(self) -> tuple[str, ...]:
        """Where the ring becomes the faster one, in words; sizes that the curves do not reach too.

        >>> Race(2, 1, (), {}, (1, 2), {}, {"tree": 29411.8, "naive": 0.0}).overtakings
        ('ring passes tree at 29 000 numbers',)
        """
        return tuple(
            f"ring passes {name} at {format_count(round_to_two_digits(size))} numbers"
            for name, size in self.ring_wins_from.items()
            if 0 < size < math.inf
        )


def round_to_two_digits(size: float) -> int:
    """Return the nearest whole number of two digits and zeros."""
    return int(float(f"{size:.2g}"))


class RacePlot:
    """Curves on the left, the order at the marker on the right.

    Parameters
    ----------
    names : sequence of str
        What races, in the order of the rows on the right.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._looks = dict(zip(names, CYCLE, strict=False))
        self._make_curves()
        self._make_order()

    def _make_curves(self) -> None:
        self._curves, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=(10, 1e9), title="time of one all-reduce",
            xlabel="float32 numbers in the message",
        )  # fmt: skip
        axes.set_position((0.145, 0.15, 0.505, 0.74))
        axes.xaxis.set_label_coords(0.5, -0.115)
        axes.minorticks_off()
        axes.set_xticks(list(_POWERS), list(_POWERS.values()))
        self._axes = axes
        self._lines, self._leaders, self._ends = {}, {}, {}
        for name, look in self._looks.items():
            shape: dict[str, Any] = {"color": look["color"], "linestyle": look["linestyle"]}
            (self._lines[name],) = axes.plot([], [], **shape, marker="")
            leader: dict[str, Any] = {
                **shape,
                "linewidth": 1,
                "clip_on": False,
                "transform": axes.transAxes,
            }
            (self._leaders[name],) = axes.plot([], [], **leader, marker="")
            self._ends[name] = axes.text(
                1.12, 0, name, transform=axes.transAxes, fontsize=8.5, va="center"
            )
        (self._marker,) = axes.plot([], [], color=MUTED, linestyle="-", linewidth=1, marker="")
        (self._crossings,) = axes.plot(
            [], [], color=INK, linestyle="", marker="o", markersize=7, fillstyle="none"
        )

    def _make_order(self) -> None:
        self._order, axes = panel(_SIZE, ylim=(len(self._names) - 0.4, -0.6))
        axes.set_position((0.03, 0.26, 0.94, 0.63))
        axes.set_axis_off()
        self._order_title = axes.set_title("")
        self._rows = {}
        for row, (name, look) in enumerate(self._looks.items()):
            axes.plot([0, 0.1], [row, row], color=look["color"], ls=look["linestyle"], marker="")
            texts = [
                axes.text(x, row, "", ha=side, va="center")
                for x, side in ((0.13, "left"), (0.7, "right"), (0.98, "right"))
            ]
            self._rows[name] = texts
        axes.set_xlim(0, 1)
        self._note = self._order.text(
            0.03, 0.03, "", fontsize=8.5, linespacing=1.4, ha="left", va="bottom"
        )

    def draw(self, race: Race) -> tuple[Figure, Figure]:
        """Show one network, with the marker at one size."""
        self._draw_curves(race)
        self._draw_order(race)
        return self._curves, self._order

    def _draw_curves(self, race: Race) -> None:
        low, high = race.limits_s
        self._axes.set_ylim(low, high)
        step = 1 if high / low < 1e7 else 2 if high / low < 1e10 else 3
        inside = [s for s in list(_DECADES)[::step] if low <= s <= high]
        self._axes.set_yticks(inside, [_DECADES[s] for s in inside])
        heights = {}
        for name, line in self._lines.items():
            line.set_data(race.sizes, race.curves_s[name])
            heights[name] = math.log(race.curves_s[name][-1] / low) / math.log(high / low)
        for name, height in spread(heights, gap=0.065).items():
            self._ends[name].set_y(height)
            self._leaders[name].set_data([1, 1.1], [heights[name], height])
        self._marker.set_data([race.num_elements] * 2, race.limits_s)
        crossings = [
            (x, _interpolate(x, race.sizes, race.curves_s["ring"]))
            for x in race.ring_wins_from.values()
            if race.sizes[0] <= x <= race.sizes[-1]
        ]
        self._crossings.set_data([x for x, _ in crossings], [y for _, y in crossings])

    def _draw_order(self, race: Race) -> None:
        self._order_title.set_text(
            f"{size_name(race.num_elements)} numbers, {format_count(race.workers)} machines"
        )
        best_s = min(race.times_s.values())
        first = "fastest" if len(race.winners) == 1 else "a tie"
        for name, (label, time, ratio) in self._rows.items():
            won = name in race.winners
            label.set_text(name)
            time.set_text(format_seconds(race.times_s[name]))
            ratio.set_text(first if won else f"× {_factor(race.times_s[name] / best_s)}")
            for text in (label, time, ratio):
                text.set_fontweight("bold" if won else "normal")
        overtakings = [f"○ {line}" for line in race.overtakings]
        self._note.set_text("\n".join([*overtakings, _PORT]))


def _factor(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 1000 else format_count(round_to_two_digits(ratio))


def size_name(num_elements: int) -> str:
    """Return a count in words.

    >>> size_name(1000), size_name(10**8)
    ('1 thousand', '100 million')
    """
    for size, word in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if num_elements >= size:
            return f"{num_elements / size:g} {word}"
    return f"{num_elements}"


def spread(heights: Mapping[str, float], gap: float) -> dict[str, float]:
    """Return heights at least `gap` apart, in the same order, each group around its middle.

    >>> spread({"a": 0.5, "b": 0.5, "c": 0.0}, gap=0.1)
    {'c': 0.0, 'a': 0.45, 'b': 0.55}
    """
    groups: list[tuple[list[str], float]] = []  # names from below, and their middle
    for name in sorted(heights, key=lambda name: heights[name]):
        groups.append(([name], heights[name]))
        while len(groups) > 1:
            (lower, below), (upper, above) = groups[-2:]
            if above - below >= gap * (len(lower) + len(upper)) / 2 - 1e-12:
                break
            middle = (below * len(lower) + above * len(upper)) / (len(lower) + len(upper))
            groups[-2:] = [(lower + upper, middle)]
    return {
        name: round(middle + gap * (place - (len(names) - 1) / 2), 6)
        for names, middle in groups
        for place, name in enumerate(names)
    }


def _interpolate(x: float, sizes: tuple[int, ...], times_s: tuple[float, ...]) -> float:
    """Return the time at a size between two points of a curve; times are straight over sizes."""
    after = next(i for i, size in enumerate(sizes) if size >= x) or 1
    share = (x - sizes[after - 1]) / (sizes[after] - sizes[after - 1])
    return times_s[after - 1] + share * (times_s[after] - times_s[after - 1])
