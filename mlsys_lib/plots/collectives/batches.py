"""Batch size against steps and passes over the data: where a larger batch stops paying."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from mlsys_lib.plots.style import BLUE, INK, MUTED, ORANGE, WIDE, panel, style


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
    figure, axes = panel(WIDE, xscale="log", yscale="log", title="to reach the same loss")
    axes.set_position((0.08, 0.17, 0.9, 0.71))
    with style():
        axes.plot(batch_sizes, num_steps, color=BLUE, linestyle="-", marker="o")
        axes.plot(batch_sizes, num_epochs, color=ORANGE, linestyle="--", marker="s")
        halved = [num_steps[0] * batch_sizes[0] / size for size in batch_sizes]
        axes.plot(batch_sizes, halved, color=MUTED, linestyle=":", marker="", linewidth=1.2)
        texts = (("steps: one all-reduce each", num_steps[-1], BLUE, "bottom"),
                 ("passes over the data", num_epochs[-3], ORANGE, "top"),
                 ("if doubling always halved the steps", halved[-2], MUTED, "top"))  # fmt: skip
        where = (batch_sizes[-1], batch_sizes[-3], batch_sizes[-2])
        for x, (text, y, color, side) in zip(where, texts, strict=True):
            shift = 1.25 if side == "bottom" else 0.75
            axes.text(x, y * shift, text, color=color, ha="right", va=side)
        axes.set_xticks(batch_sizes, [str(size) for size in batch_sizes], color=INK)
    axes.set_xlabel("batch size b")
    axes.xaxis.set_label_coords(0.5, -0.13)
    return figure
