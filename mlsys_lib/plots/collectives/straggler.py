"""A slow worker: what staleness buys and costs, and who computes when."""

from dataclasses import dataclass

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mlsys_lib.comm import Span
from mlsys_lib.plots.style import BLUE, GRID, INK, MUTED, ORANGE, panel

_SIZE = (4.4, 3.4)


@dataclass(frozen=True)
class Straggler:
    """A run with one slow worker, beside the synchronous run.

    Attributes
    ----------
    workers, slow_factor, staleness : int
        The first worker takes `slow_factor` times as long; nobody is more than `staleness`
        steps ahead of it.
    data : str
        How the samples were shared out: "mixed", or "sorted" by what they show.
    time_s, loss : ndarray of shape (num_points,)
        The server's clock, and the mean loss over all data (nats), after every `workers` updates.
    synchronous_time_s, synchronous_loss : ndarray of shape (num_points,)
        The same with staleness 0.
    target_loss : float
    time_to_target_s, synchronous_time_to_target_s : float
        The first of `time_s` at which the loss is at most the target; inf if it never is.
    final_error, synchronous_final_error : float
        Share of the samples that the last weights get wrong.
    largest_lead : int
        Steps by which a worker was ahead of the slowest, at most.
    spans : tuple of Span
        Who computed when, up to `window_s`; worker w is rank w + 1.
    window_s : float
    """

    workers: int
    slow_factor: int
    staleness: int
    data: str
    time_s: np.ndarray
    loss: np.ndarray
    synchronous_time_s: np.ndarray
    synchronous_loss: np.ndarray
    target_loss: float
    time_to_target_s: float
    synchronous_time_to_target_s: float
    final_error: float
    synchronous_final_error: float
    largest_lead: int
    spans: tuple[Span, ...]
    window_s: float


class StragglerPlot:
    """The loss against time on the left, the first seconds of every worker on the right."""

    def __init__(self) -> None:
        self._curves, axes = panel(
            _SIZE, yscale="log", ylim=(0.2, 3.2), xlabel="simulated seconds",
            title="loss on all digits (nats)",
        )  # fmt: skip
        axes.set_position((0.095, 0.15, 0.88, 0.72))
        axes.xaxis.set_label_coords(0.5, -0.115)
        axes.minorticks_off()
        axes.set_yticks([0.25, 0.5, 1, 2], ["0.25", "0.5", "1", "2"])
        self._axes = axes
        self._target = axes.axhline(1, color=MUTED, linestyle=":", linewidth=1.2, marker="")
        (self._synchronous,) = axes.plot([], [], color=MUTED, ls="--", lw=1.3, marker="")
        (self._loss,) = axes.plot([], [], color=BLUE, linestyle="-", marker="o", markersize=3)
        (self._hit,) = axes.plot([], [], color=ORANGE, ls="", marker="D", markersize=8, mfc="none")
        self._legend = [
            axes.text(0.98, 0.95 - 0.09 * row, "", transform=axes.transAxes, ha="right", color=ink)
            for row, ink in enumerate((BLUE, BLUE, MUTED, MUTED))
        ]
        self._target_name = axes.text(0, 0, "target", color=MUTED, ha="right", va="bottom")
        self._make_bars()

    def _make_bars(self) -> None:
        self._bars, axes = panel(_SIZE, xlabel="simulated seconds")
        axes.set_position((0.2, 0.15, 0.775, 0.72))
        axes.xaxis.set_label_coords(0.5, -0.115)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        self._bars_title = axes.set_title("")
        self._spans = PolyCollection([], linewidths=0.7, edgecolors=INK)
        axes.add_collection(self._spans, autolim=False)
        self._bar_axes = axes

    def draw(self, run: Straggler) -> tuple[Figure, Figure]:
        """Show one setting."""
        self._draw_curves(run)
        self._draw_bars(run)
        return self._curves, self._bars

    def _draw_curves(self, run: Straggler) -> None:
        self._axes.set_xlim(0, run.synchronous_time_s[-1] * 1.02)
        self._loss.set_data(run.time_s, run.loss)
        self._synchronous.set_data(run.synchronous_time_s, run.synchronous_loss)
        self._target.set_ydata([run.target_loss] * 2)
        self._target_name.set_position((run.synchronous_time_s[-1], run.target_loss))
        reached = int(np.isfinite(run.time_to_target_s))
        self._hit.set_data([run.time_to_target_s] * reached, [run.target_loss] * reached)
        lines = (
            f"s = {run.staleness}: target {_after(run.time_to_target_s)}",
            f"in the end {run.final_error:.1%} misread",
            f"- - synchronous: {_after(run.synchronous_time_to_target_s)}",
            f"in the end {run.synchronous_final_error:.1%} misread",
        )
        for text, line in zip(self._legend, lines, strict=True):
            text.set_text(line)

    def _draw_bars(self, run: Straggler) -> None:
        self._bars_title.set_text(f"who computes when; largest lead {run.largest_lead}")
        axes = self._bar_axes
        axes.set(xlim=(0, run.window_s), ylim=(run.workers - 0.4, -0.6))
        names = [f"worker {worker}" for worker in range(run.workers)]
        names[0] += "\n(slow)" if run.slow_factor > 1 else ""
        axes.set_yticks(range(run.workers), names)
        self._spans.set_verts([_bar(span, run.window_s) for span in run.spans])
        shade = {True: to_rgba(ORANGE, 0.75), False: to_rgba(BLUE, 0.35)}
        slow = [span.rank == 1 and run.slow_factor > 1 for span in run.spans]
        self._spans.set_facecolor([shade[is_slow] for is_slow in slow] or GRID)


def _after(time_s: float) -> str:
    return f"after {time_s:.1f} s" if np.isfinite(time_s) else "never reached"


def _bar(span: Span, window_s: float) -> list[tuple[float, float]]:
    """Return the corners of one computation, cut at the end of the window."""
    row, end_s = span.rank - 1, min(span.end_s, window_s)
    low, high = row - 0.36, row + 0.36
    return [(span.start_s, low), (end_s, low), (end_s, high), (span.start_s, high)]
