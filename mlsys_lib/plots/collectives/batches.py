"""Batch size against steps and passes over the data: where a larger batch stops paying."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlsys_lib.plots.style import BLUE, INK, MUTED, ORANGE, panel, style


def batches_figure(
    batch_sizes: Sequence[int], num_steps: Sequence[int], num_epochs: Sequence[int]
) -> Figure:
    """Draw the steps and the epochs that training took to one loss, for each batch size.

    Parameters
    ----------
    batch_sizes, num_steps, num_epochs : sequences of int
        One entry per training.

    Returns
    -------
    Figure
        Logarithmic axes, and the line that steps would follow if doubling the batch always
        halved them.
    """
    figure, axes = panel(xscale="log", yscale="log", title="to reach the same loss")
    axes.set_position((0.1, 0.16, 0.88, 0.71))
    with style():
        axes.plot(batch_sizes, num_steps, color=BLUE, linestyle="-", marker="o")
        axes.plot(batch_sizes, num_epochs, color=ORANGE, linestyle="--", marker="s")
        halved = [num_steps[0] * batch_sizes[0] / size for size in batch_sizes]
        axes.plot(batch_sizes, halved, color=MUTED, linestyle=":", marker="", linewidth=1.2)
        _name(axes, "steps, an all-reduce each", batch_sizes[-1], num_steps[1] * 1.25, BLUE)
        _name(axes, "epochs", batch_sizes[-3], num_epochs[-3] * 1.3, INK)
        _name(axes, "if doubling halved the steps", batch_sizes[-1], halved[-1] * 0.5, MUTED)
        axes.set_xticks(batch_sizes[::2], [str(size) for size in batch_sizes[::2]])
    axes.set_ylim(min(*num_epochs, *halved) * 0.35, max(num_steps) * 1.6)
    axes.set_xlabel("batch size b")
    axes.minorticks_off()
    return figure


def _name(axes: Axes, text: str, x: float, y: float, color: str) -> None:
    """Write beside a line what it is, ending at x."""
    axes.text(x, y, text, color=color, ha="right", va="bottom")
