"""Adam with and without the correction of its averages: the length of its steps, and the loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlsys_lib.core.units import format_count
from mlsys_lib.plots.collectives.race import spread
from mlsys_lib.plots.style import BLUE, GRID, INK, MUTED, ORANGE, PURPLE, panel

_SIZE = (4.4, 3.7)
_LENGTH_LIMITS, _LOSS_LIMITS = (1e-3, 30.0), (0.4, 40.0)
_LOOKS: dict[str, dict[str, Any]] = {
    "corrected": {"color": BLUE, "linestyle": "-", "linewidth": 2.2},
    "not corrected": {"color": ORANGE, "linestyle": "--", "linewidth": 2.2},
    "as on the sheet": {"color": PURPLE, "linestyle": "-.", "linewidth": 1.6},
}
NAMES = tuple(_LOOKS)
_KEY_PLACES = (0.0, 0.275, 0.62)


@dataclass(frozen=True)
class Correction:
    """Three formulas on the same gradients, and three trainings of one network.

    Attributes
    ----------
    second_decay : float
        δ₂.
    gradients : str
        What the steps on the left were taken with.
    learning_rate : float
        Of the trainings.
    steps : tuple of int
        Along the left panel, from 1.
    lengths : mapping of name to tuple of float
        For each of `steps` the mean over all weights of |change| / η.
    loss_steps : tuple of int
        Along the right panel.
    losses : mapping of name to tuple of float
        Of test images, after each of `loss_steps`.
    right : mapping of name to float
        Share of the test images that the trained network names right.
    first_loss : float
        Before the first step.
    close_from : int
        The step from which on, with one and the same gradient, the uncorrected step differs from
        the corrected one by less than a tenth.
    """

    second_decay: float
    gradients: str
    learning_rate: float
    steps: tuple[int, ...]
    lengths: Mapping[str, tuple[float, ...]]
    loss_steps: tuple[int, ...]
    losses: Mapping[str, tuple[float, ...]]
    right: Mapping[str, float]
    first_loss: float
    close_from: int

    @property
    def marked_steps(self) -> tuple[int, int, int]:
        """The first step, the one that is longest without the correction, and the last.

        The longest is one of the ends if it is not a hundredth longer than both.
        """
        lengths = np.array(self.lengths["not corrected"])
        longest, end = int(lengths.argmax()), -int(lengths[-1] >= lengths[0])
        at = longest if lengths[longest] > 1.01 * lengths[end] else end
        return self.steps[0], self.steps[at], self.steps[-1]

    @property
    def marks(self) -> dict[int, float]:
        """The uncorrected length in each of the marked steps, which may be two."""
        lengths = dict(zip(self.steps, self.lengths["not corrected"], strict=True))
        return {step: lengths[step] for step in self.marked_steps}


class CorrectionPlot:
    """Lengths of steps on the left, the loss of a network on the right.

    Parameters
    ----------
    max_steps, max_loss_steps : int
        Where the panels end.
    """

    def __init__(self, max_steps: int, max_loss_steps: int) -> None:
        self._make_lengths(max_steps)
        self._make_losses(max_loss_steps)

    def _make_lengths(self, max_steps: int) -> None:
        self._lengths, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=(0.85, max_steps * 1.15), ylim=_LENGTH_LIMITS,
            xlabel="step",
        )  # fmt: skip
        axes.set_position((0.11, 0.115, 0.86, 0.6943))
        axes.xaxis.set_label_coords(0.5, -0.09)
        axes.minorticks_off()
        self._lengths_title = axes.set_title("", x=-0.105, y=1.12)
        axes.axhline(1, color=GRID, linestyle="-", linewidth=4, zorder=0)
        self._length_lines = _lines(axes)
        _key(axes, -0.105, 1.0)
        (self._marks,) = axes.plot([], [], color=INK, ls="", marker="o", ms=7, fillstyle="none")
        self._first_number, self._most_number, self._last_number = (
            axes.annotate("", (1, 1), (0, up), textcoords="offset points", ha=side, va="center")
            for up, side in ((-14, "left"), (14, "center"), (14, "right"))
        )
        self._close = axes.text(max_steps, 1.5e-3, "", ha="right", va="bottom", fontsize=8.5)

    def _make_losses(self, max_steps: int) -> None:
        self._losses, axes = panel(
            _SIZE, xscale="log", yscale="log", xlim=(0.85, max_steps), ylim=_LOSS_LIMITS,
            xlabel="step",
        )  # fmt: skip
        axes.set_position((0.11, 0.115, 0.64, 0.6943))
        axes.xaxis.set_label_coords(0.5, -0.09)
        axes.minorticks_off()
        self._losses_title = axes.set_title("", x=-0.14, y=1.12)
        (self._first,) = axes.plot([], [], color=MUTED, linestyle=":", linewidth=1.2, marker="")
        self._first_name = axes.text(1, 1, "before the first step", color=MUTED, va="bottom")
        self._first_name.set(fontsize=8.5)
        self._loss_lines = _lines(axes)
        _key(axes, -0.14, 0.86 / 0.64)
        look: dict[str, Any] = {"ls": "-", "lw": 0.8, "marker": "", "clip_on": False}
        self._leaders = {
            name: axes.plot([], [], color=_LOOKS[name]["color"], transform=axes.transAxes, **look)[
                0
            ]
            for name in NAMES
        }
        axes.text(1.09, -0.09, "loss, right", transform=axes.transAxes, va="top")
        self._ends = {
            name: axes.text(1.09, 0, "", transform=axes.transAxes, va="center") for name in NAMES
        }

    def draw(self, shown: Correction) -> tuple[Figure, Figure]:
        """Show one position."""
        self._draw_lengths(shown)
        self._draw_losses(shown)
        return self._lengths, self._losses

    def _draw_lengths(self, shown: Correction) -> None:
        self._lengths_title.set_text(
            f"mean step / η: δ₂ = {shown.second_decay:g}, {shown.gradients}"
        )
        for name, line in self._length_lines.items():
            line.set_data(shown.steps, shown.lengths[name])
        marks = shown.marks
        self._marks.set_data(list(marks), list(marks.values()))
        texts = (self._first_number, self._most_number, self._last_number)
        for text, step, words in zip(
            texts, shown.marked_steps, ("", " in step {}", ""), strict=True
        ):
            text.xy = (step, marks[step])
            text.set_text(f"{marks[step]:.3g}{words.format(step)}")
        self._most_number.set_visible(len(marks) == 3)
        self._close.set_text(
            "constant gradient: the uncorrected step is\n"
            f"within a tenth of η from step {format_count(shown.close_from)} on"
        )

    def _draw_losses(self, shown: Correction) -> None:
        self._losses_title.set_text(
            f"test loss of a network: δ₂ = {shown.second_decay:g}, η = {shown.learning_rate:g}"
        )
        axes = self._losses.axes[0]
        self._first.set_data(axes.get_xlim(), [shown.first_loss] * 2)
        self._first_name.set_y(shown.first_loss * 1.06)
        heights = {}
        for name, line in self._loss_lines.items():
            line.set_data(shown.loss_steps, shown.losses[name])
            low, high = np.log(_LOSS_LIMITS)
            height = (np.log(shown.losses[name][-1]) - low) / (high - low)
            heights[name] = float(np.clip(height, 0, 0.95))
        for name, height in spread(heights, gap=0.075).items():
            self._ends[name].set_y(height)
            self._ends[name].set_text(f"{shown.losses[name][-1]:.3g}, {shown.right[name]:.0%}")
            self._leaders[name].set_data([1, 1.08], [heights[name], height])


def _lines(axes: Axes) -> dict[str, Any]:
    return {name: axes.plot([], [], marker="", **look)[0] for name, look in _LOOKS.items()}


def _key(axes: Axes, left: float, width: float) -> None:
    """Write the names above the axes; `width` is that of the row, in widths of the axes."""
    where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "marker": ""}
    for place, (name, look) in zip(_KEY_PLACES, _LOOKS.items(), strict=True):
        x = left + place * width
        axes.plot([x, x + 0.08 * width], [1.055] * 2, **(look | where))
        axes.text(x + 0.095 * width, 1.055, name, transform=axes.transAxes, va="center")
