"""Bytes per rank: how evenly each algorithm shares the work, and how far it is from the bound."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mlsys_lib.collectives.cost import lower_bound_bytes
from mlsys_lib.comm import Ledger
from mlsys_lib.core.validate import positive_int
from mlsys_lib.plots.style import BLUE, INK, ORANGE, panel, style


def bytes_figure(ledgers: Mapping[str, Ledger], size_bytes: int) -> Figure:
    """Draw what each rank sent in each of several all-reduces, in units of one array.

    Parameters
    ----------
    ledgers : mapping of name to Ledger
        All of the same world size.
    size_bytes : int
        N, the bytes of one rank's array.

    Returns
    -------
    Figure
        A group of bars for each name, a bar for each rank, the busiest in another color with its
        height; a line at the lower bound 2 (m - 1) / m.

    Raises
    ------
    ValueError
        If there is no ledger, or they differ in world size.
    """
    positive_int("size_bytes", size_bytes)
    worlds = sorted({ledger.world_size for ledger in ledgers.values()})
    if len(worlds) != 1:
        raise ValueError(f"ledgers must be of one world size, got {worlds}")
    (world_size,) = worlds
    bound = lower_bound_bytes(world_size, size_bytes, 1) / size_bytes
    figure, axes = panel(
        title=f"gradients sent by each machine\n- - - the busiest sends at least {bound:.3g}"
    )
    axes.set_position((0.06, 0.16, 0.92, 0.66))
    with style():
        for group, ledger in enumerate(ledgers.values()):
            _draw_group(axes, group, [sent / size_bytes for sent in ledger.sent_bytes])
        axes.axhline(bound, color=INK, linestyle="--", linewidth=1.2, marker="")
    axes.set_xlim(-0.5, len(ledgers) - 0.5)
    axes.set_ylim(0, axes.dataLim.y1 * 1.12)
    names = [name.replace(" ", "\n").replace("-", "-\n") for name in ledgers]
    axes.set_xticks(range(len(ledgers)), names)
    axes.tick_params(axis="x", length=0)
    return figure


def _draw_group(axes: Axes, group: int, heights: list[float]) -> None:
    """Draw one bar a rank around x = group."""
    busiest = heights.index(max(heights))
    step = 0.8 / len(heights)
    places = [group + step * (rank - (len(heights) - 1) / 2) for rank in range(len(heights))]
    colors = [to_rgba(BLUE, 0.45)] * len(heights)
    colors[busiest] = to_rgba(ORANGE, 0.85)
    axes.bar(places, heights, width=step * 0.85, color=colors, edgecolor=INK, linewidth=0.6)
    axes.text(
        places[busiest], heights[busiest], f"{heights[busiest]:.3g}", ha="center", va="bottom"
    )
