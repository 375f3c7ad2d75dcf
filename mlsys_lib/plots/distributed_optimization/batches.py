"""Batch size against steps, examples and bytes to a target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.plots.style import BLUE, INK, MUTED, ORANGE, PAPER, panel

_SIZE = (4.4, 3.8)
_BATCH_LIMITS = (0.8, 3300)
_BATCH_TICKS = (1, 4, 16, 64, 256, 1024)
_STEP_LIMITS = (4, 2600)
_PASS_LIMITS = (0.4, 12)
_BYTE_LIMITS = (3e4, 6e7)
_HALVES = 1.7
_CHOSEN: dict[str, Any] = {"color": ORANGE, "marker": "o", "ms": 9, "ls": "", "zorder": 5}
_CURVE: dict[str, Any] = {"color": BLUE, "marker": "s", "ms": 3.5, "ls": "-", "lw": 1.4}


@dataclass(frozen=True)
class Batches:
    """What batch sizes take to a target, and which one is looked at.

    Attributes
    ----------
    batch_size, workers : int
    target : float
        Of f(w) - f*.
    num_examples : int
        n; the largest batch has them all.
    steps : mapping of batch size to tuple of int
        In runs that differ in the order of the examples.
    sent_bytes : mapping of workers to mapping of batch size to float
        By one worker, in the mean.
    """

    batch_size: int
    workers: int
    target: float
    num_examples: int
    steps: Mapping[int, tuple[int, ...]]
    sent_bytes: Mapping[int, Mapping[int, float]]

    def mean_steps(self, batch_size: int) -> float:
        """Return the mean over the runs."""
        return float(np.mean(self.steps[batch_size]))

    def passes(self, batch_size: int) -> float:
        """Return the examples read, in passes over all of them."""
        return self.mean_steps(batch_size) * batch_size / self.num_examples

    def saving(self, batch_size: int) -> float:
        """Return how many times fewer steps twice the batch takes; 2 would be perfect."""
        return self.mean_steps(batch_size) / self.mean_steps(2 * batch_size)

    @property
    def useful_size(self) -> int:
        """The batch size up to which every doubling saves a factor of 1.7 or more."""
        size = min(self.steps)
        while 2 * size in self.steps and self.saving(size) >= _HALVES:
            size *= 2
        return size


class BatchesPlot:
    """Steps on the left; on the right examples read, and below them bytes."""

    def __init__(self) -> None:
        self._make_steps()
        self._make_prices()

    def _make_steps(self) -> None:
        self._steps, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=_BATCH_LIMITS, ylim=_STEP_LIMITS,
            xlabel="batch size b", ylabel="steps to the target",
        )  # fmt: skip
        axes.set_position((0.125, 0.125, 0.85, 0.765))
        axes.xaxis.set_label_coords(0.5, -0.1)
        axes.yaxis.set_label_coords(-0.105, 0.5)
        _batch_ticks(axes)
        self._steps_title = axes.set_title("", x=-0.14, y=1.035)
        (self._perfect,) = axes.plot([], [], color=INK, ls="--", lw=1.1, marker="")
        (self._floor,) = axes.plot([], [], color=MUTED, ls=":", lw=1.4, marker="")
        (self._spread,) = axes.plot([], [], color=BLUE, ls="-", lw=3.5, marker="", alpha=0.35)
        (self._curve,) = axes.plot([], [], **_CURVE)
        (self._chosen,) = axes.plot([], [], **_CHOSEN, markeredgecolor=PAPER)
        look: dict[str, Any] = {"fontsize": 8.5, "va": "center"}
        self._perfect_name = axes.text(1, 1, "half the steps for twice b", color=INK, **look)
        self._floor_name = axes.text(1, 1, "", color=MUTED, **look)
        self._useful = axes.annotate(
            "", (1, 1), (22, 40), textcoords="offset points", ha="left", fontsize=8.5,
            arrowprops={"arrowstyle": "->", "color": INK},
        )  # fmt: skip

    def _make_prices(self) -> None:
        self._prices, passes = panel(
            _SIZE, xscale="log", yscale="log", xlim=_BATCH_LIMITS, ylim=_PASS_LIMITS
        )
        passes.set_position((0.125, 0.595, 0.85, 0.295))
        self._pass_title = passes.set_title("", x=-0.14, y=1.09)
        passes.set_yticks([0.5, 1, 2, 4, 8], ["½", "1", "2", "4", "8"])
        bytes_sent = self._prices.add_axes((0.125, 0.125, 0.85, 0.295))
        bytes_sent.set(xscale="log", yscale="log", xlim=_BATCH_LIMITS, ylim=_BYTE_LIMITS)
        bytes_sent.set_yticks([1e5, 1e6, 1e7], ["100 kB", "1 MB", "10 MB"])
        bytes_sent.set_xlabel("batch size b")
        bytes_sent.xaxis.set_label_coords(0.5, -0.26)
        self._byte_title = bytes_sent.set_title("", x=-0.14, y=1.09)
        for axes in (passes, bytes_sent):
            _batch_ticks(axes)
        (self._passes,) = passes.plot([], [], **_CURVE)
        (self._passes_chosen,) = passes.plot([], [], **_CHOSEN, markeredgecolor=PAPER)
        thin: dict[str, Any] = {"color": MUTED, "ls": "-", "lw": 0.8, "marker": ""}
        self._ends = [bytes_sent.plot([], [], **thin)[0] for _ in range(2)]
        self._thin_name = bytes_sent.text(1, 5e4, "", color=MUTED, fontsize=8.5, va="center")
        (self._bytes,) = bytes_sent.plot([], [], **_CURVE)
        (self._bytes_chosen,) = bytes_sent.plot([], [], **_CHOSEN, markeredgecolor=PAPER)

    def draw(self, shown: Batches) -> tuple[Figure, Figure]:
        """Show one batch size among all."""
        self._draw_steps(shown)
        self._draw_prices(shown)
        return self._steps, self._prices

    def _draw_steps(self, shown: Batches) -> None:
        sizes, size = np.array(list(shown.steps)), shown.batch_size
        means = np.array([shown.mean_steps(b) for b in sizes])
        steps, saving = count(shown.mean_steps(size)), shown.saving(size)
        self._steps_title.set_text(f"b = {size}: {steps} steps; twice b: ÷ {saving:.1f}")
        self._curve.set_data(sizes, means)
        self._chosen.set_data([size], [shown.mean_steps(size)])
        ends = [(b, end) for b, s in shown.steps.items() for end in (min(s), max(s), np.nan)]
        self._spread.set_data([b for b, _ in ends], [end for _, end in ends])
        self._perfect.set_data(sizes, means[0] / sizes)
        self._perfect_name.set_position((9, means[0] / 9 * 1.5))
        self._floor.set_data(_BATCH_LIMITS, [means[-1]] * 2)
        self._floor_name.set_position((1, means[-1] * 0.82))
        self._floor_name.set_text(f"all {shown.num_examples} mails at once: {means[-1]:.0f} steps")
        useful = shown.useful_size
        self._useful.xy = (useful, shown.mean_steps(useful) * 1.15)
        self._useful.set_text(f"good up to b = {useful}")

    def _draw_prices(self, shown: Batches) -> None:
        sizes, size, workers = list(shown.steps), shown.batch_size, shown.workers
        passes = shown.passes(size)
        self._pass_title.set_text(f"examples read: {passes:.2g} × all {shown.num_examples} mails")
        self._passes.set_data(sizes, [shown.passes(b) for b in sizes])
        self._passes_chosen.set_data([size], [passes])
        sent = shown.sent_bytes[workers]
        few, many = sorted(shown.sent_bytes)[1], max(shown.sent_bytes)
        for line, end in zip(self._ends, (few, many), strict=True):
            line.set_data(sizes, list(shown.sent_bytes[end].values()))
        self._thin_name.set_text(f"thin: each of {few}, and of {many} workers")
        some = workers > 1  # or there is nobody to send to
        title = f"each of {workers} workers sends {format_bytes(sent[size])}"
        if size > 1:
            title += f"; with b = 1, {format_bytes(sent[1])}"
        self._byte_title.set_text(title if some else "one worker sends nothing")
        self._bytes.set_data(sizes if some else [], list(sent.values()) if some else [])
        self._bytes_chosen.set_data([size] if some else [], [sent[size]] if some else [])


def count(steps: float) -> str:
    """Return a mean of steps in three digits, or more for a large one.

    >>> count(1558.0), count(14.24)
    ('1 558', '14.2')
    """
    return format_count(round(steps)) if steps >= 1000 else f"{steps:.3g}"


def _batch_ticks(axes: Axes) -> None:
    axes.set_xticks(_BATCH_TICKS, [f"{size}" for size in _BATCH_TICKS])
    axes.minorticks_off()
