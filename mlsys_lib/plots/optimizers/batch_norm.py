"""What a batch is normalized by: statistics of few images scatter, and a network feels it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.plots.style import BLUE, GRID, INK, MUTED, ORANGE, PAPER, panel

_SIZE = (4.4, 3.7)
_MEAN_LIMITS, _DEVIATION_LIMITS = (-2.6, 2.6), (-0.08, 2.4)
_RIGHT_LIMITS = (0.2, 0.9)
_TICKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Normalization:
    """How one layer normalizes in one setting, and what comes of it.

    Attributes
    ----------
    replicas, batch_size : int
        m, and images of each replica.
    synchronized : bool
    cloud : ndarray of shape (num_batches, 2)
        Mean and deviation of a unit over many batches, in deviations of the unit over all images
        and counted from its mean.
    step : ndarray of shape (num_statistics, 2)
        The same for the batches of one step: a row a replica, or one for all; no row if refused.
    mean_scatter : float
        Root mean square, over batches and units, of what `cloud` has in its first column.
    counts : tuple of int
        Along the right panel.
    right, losses : tuple of float
        Share of test images named right, and their loss, with statistics of so many images.
    right_in_evaluation, loss_in_evaluation : float
        With running statistics.
    sent_bytes, rounds : int
        What one replica sends for the layer in one step, and how often it waits.
    gradient_bytes : int
        What it sends for the gradient of the whole network.
    """

    replicas: int
    batch_size: int
    synchronized: bool
    cloud: np.ndarray
    step: np.ndarray
    mean_scatter: float
    counts: tuple[int, ...]
    right: tuple[float, ...]
    losses: tuple[float, ...]
    right_in_evaluation: float
    loss_in_evaluation: float
    sent_bytes: int
    rounds: int
    gradient_bytes: int

    @property
    def count(self) -> int:
        """Images behind each mean and deviation."""
        return self.batch_size * (self.replicas if self.synchronized else 1)

    @property
    def refused(self) -> bool:
        """Whether the layer cannot normalize: one image minus its own mean is 0."""
        return self.count < 2

    @property
    def remark(self) -> str:
        """What happens to the values with the fewest images."""
        if self.refused:
            return "refused: one image minus its mean is 0"
        return "every value becomes +1 or −1" if self.count == 2 else ""


class NormalizationPlot:
    """Means and deviations on the left, images named right on the other side.

    Parameters
    ----------
    counts : sequence of int
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self._make_cloud()
        self._make_curve(counts)

    def _make_cloud(self) -> None:
        self._cloud, axes = panel(
            _SIZE, xlim=_MEAN_LIMITS, ylim=_DEVIATION_LIMITS,
            xlabel="mean of the batch (σ from the mean of all)",
        )  # fmt: skip
        axes.set_position((0.11, 0.125, 0.86, 0.66))
        axes.xaxis.set_label_coords(0.5, -0.1)
        axes.set_yticks([0, 0.5, 1, 1.5, 2])
        self._cloud_title = axes.set_title("", x=-0.105, y=1.15)
        self._scatter = axes.text(-0.105, 1.08, "", transform=axes.transAxes, va="center")
        self._band = Rectangle((0, 0), 1, 1, facecolor=GRID, alpha=0.45, linewidth=0)
        axes.add_patch(self._band)
        axes.text(0, 2.37, "± 1/√n", ha="center", va="top", fontsize=8.5)
        axes.text(-2.55, 2.37, "deviation (σ)", ha="left", va="top")
        (self._dots,) = axes.plot([], [], color=MUTED, ls="", marker="o", ms=2.6)
        (self._step,) = axes.plot([], [], color=ORANGE, ls="", marker="D", ms=7, zorder=5)
        self._step.set(markeredgecolor=PAPER, markeredgewidth=1)
        (cross,) = axes.plot([0], [1], color=INK, ls="", marker="x", ms=10, mew=2.4, zorder=6)
        self._remark = axes.text(-2.55, 1.74, "", fontweight="bold", va="center")
        key = ((cross, "all images"), (self._step, ""), (self._dots, "in other steps"))
        names = []
        for y, (marks, name) in zip((2.3, 2.12, 1.94), key, strict=True):
            (mark,) = axes.plot([1.12], [y], ls="", marker="")
            mark.update_from(marks)
            mark.set_data([1.12], [y])
            mark.set_markersize(min(7, marks.get_markersize()))
            names.append(axes.text(1.28, y, name, va="center"))
        self._step_name = names[1]

    def _make_curve(self, counts: Sequence[int]) -> None:
        self._curve, axes = panel(
            _SIZE, xscale="log", xlim=(0.85, counts[-1] * 1.15), ylim=_RIGHT_LIMITS,
            xlabel="images behind each mean and deviation",
        )  # fmt: skip
        axes.set_position((0.11, 0.125, 0.86, 0.66))
        axes.xaxis.set_label_coords(0.5, -0.1)
        axes.minorticks_off()
        axes.set_xticks(_TICKS, [str(tick) for tick in _TICKS])
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_title("test images named right, by the same weights", x=-0.105, y=1.15)
        self._price = axes.text(-0.105, 1.08, "", transform=axes.transAxes, va="center")
        (self._evaluation,) = axes.plot([], [], color=INK, ls="--", lw=1.4, marker="")
        self._evaluation_name = axes.text(1, 0, "", va="bottom")
        (self._training,) = axes.plot([], [], color=BLUE, ls="-", lw=2.2, marker="o", ms=4)
        axes.text(480, 0.42, "training: the batch's statistics", ha="right")
        (self._own,) = axes.plot([], [], color=INK, ls="", marker="o", ms=9, fillstyle="none")
        self._own_name = axes.annotate("", (1, 0), (9, -32), textcoords="offset points")
        self._own_name.set(va="center")
        (self._chosen,) = axes.plot([], [], color=ORANGE, ls="", marker="D", ms=9, zorder=5)
        self._chosen.set(markeredgecolor=PAPER, markeredgewidth=1)
        self._chosen_name = axes.annotate("", (1, 0), (9, -14), textcoords="offset points")
        self._chosen_name.set(va="center", fontweight="bold")

    def draw(self, shown: Normalization) -> tuple[Figure, Figure]:
        """Show one setting."""
        self._draw_cloud(shown)
        self._draw_curve(shown)
        return self._cloud, self._curve

    def _draw_cloud(self, shown: Normalization) -> None:
        count, width = shown.count, 1 / math.sqrt(shown.count)
        self._cloud_title.set_text(
            f"{count} image{'s' * (count > 1)} behind each mean and deviation"
        )
        self._scatter.set_text(
            f"means scatter by {shown.mean_scatter:.2g} σ; 1/√{count} = {width:.2g}"
        )
        self._band.set_bounds(-width, _DEVIATION_LIMITS[0], 2 * width, 3)
        self._dots.set_data(*shown.cloud.T)
        self._step.set_data(*shown.step.T)
        self._step_name.set_text(f"in this step: {len(shown.step)}")
        self._remark.set_text(shown.remark)

    def _draw_curve(self, shown: Normalization) -> None:
        price = f"statistics: {format_bytes(shown.sent_bytes)} from each, {shown.rounds} rounds"
        gradient = f"gradient: {format_bytes(shown.gradient_bytes)}"
        self._price.set_text(f"{price}; {gradient}" if shown.sent_bytes else "nothing is sent")
        self._evaluation.set_data(self._curve.axes[0].get_xlim(), [shown.right_in_evaluation] * 2)
        self._evaluation_name.set_position((1, shown.right_in_evaluation + 0.008))
        self._evaluation_name.set_text(f"evaluation: {shown.right_in_evaluation:.1%}")
        self._training.set_data(shown.counts, shown.right)
        share = dict(zip(shown.counts, shown.right, strict=True))
        last = shown.count == shown.counts[-1]
        self._chosen_name.set(ha="right" if last else "left")
        _mark(self._chosen, self._chosen_name, share, shown.count, "")
        own = shown.batch_size if shown.batch_size < shown.count else 0
        _mark(self._own, self._own_name, share, own, "alone ")


def _mark(marker: Line2D, text: Annotation, share: dict[int, float], count: int, word: str) -> None:
    """Put a marker and its text on the curve; nowhere if the curve has no such count."""
    at = [count] if count in share else []
    marker.set_data(at, [share[count] for count in at])
    text.set_text(f"{word}{share[count]:.1%}" if at else "")
    text.xy = (count, share[count]) if at else (1, 1)


def cost_text(shown: Normalization) -> str:
    """Return what a step costs in messages, in words."""
    if not shown.sent_bytes:
        return "Nothing is sent"
    return (
        f"Each replica sends {format_bytes(shown.sent_bytes)} for the layer in a step, in "
        f"{format_count(shown.rounds)} rounds; the gradient of the network takes "
        f"{format_bytes(shown.gradient_bytes)}"
    )
