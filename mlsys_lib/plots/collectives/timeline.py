"""A timeline: which machine computes, sends and receives when."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mlsys_lib.comm import Timeline
from mlsys_lib.core.units import format_seconds
from mlsys_lib.core.validate import positive
from mlsys_lib.plots.style import BLUE, GREEN, INK, ORANGE, panel, style

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_NARROW = 0.055  # shares of the width: a bar below this has no room for its label
_LANES = {"compute": (-0.42, 0.42), "sends": (-0.38, -0.02), "receives": (0.02, 0.38)}
_FILL = {
    "compute": to_rgba(GREEN, 0.3),
    "sends": to_rgba(BLUE, 0.4),
    "receives": to_rgba(ORANGE, 0.7),
}


def timeline_figure(
    timeline: Timeline,
    title: str = "",
    end_s: float | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw a row for each rank: above what it sends, below what it receives.

    Parameters
    ----------
    timeline : Timeline
        From `Ledger.timeline`.
    title : str, optional
        Stands above the picture, before the time that the run took.
    end_s : float, optional
        Where the time axis ends, so that two timelines can be compared; by default where the
        last rank is done. What begins later is left out.
    names : sequence of str, optional
        Of the ranks; by default "machine 0", …

    Returns
    -------
    Figure
        A bar is a message on the wire, "→ 2" for one to machine 2, "← 1" for one from machine 1.
    """
    done_s = max(timeline.time_s)
    end_s = positive("end_s", done_s if end_s is None else end_s)
    num_ranks = len(timeline.time_s)
    names = names or [f"machine {rank}" for rank in range(num_ranks)]
    if len(names) != num_ranks:
        raise ValueError(f"names must be one per rank ({num_ranks}), got {len(names)}")
    scale_s, unit = next((u for u in _UNITS if end_s >= u[0]), _UNITS[-1])
    figure, axes = panel(
        (4.4, 0.95 + 0.55 * num_ranks),
        xlabel=f"time ({unit}); above what is sent, below what is received",
    )
    height = 0.55 * num_ranks / (0.95 + 0.55 * num_ranks)
    axes.set_position((0.2, 0.5 / (0.95 + 0.55 * num_ranks), 0.775, height))
    axes.xaxis.set_label_coords(0.5, -0.33 / (0.55 * num_ranks))
    axes.set(xlim=(0, end_s / scale_s), ylim=(num_ranks - 0.5, -0.5))
    axes.set_yticks(range(num_ranks), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    with style():
        axes.set_title(f"{title}: {format_seconds(done_s)}".removeprefix(": "))
        for row in range(1, num_ranks):
            axes.axhline(row - 0.5, color=INK, linewidth=0.3)
        _draw_bars(axes, timeline, end_s, scale_s)
    return figure


def _draw_bars(axes: Axes, timeline: Timeline, end_s: float, scale_s: float) -> None:
    bars = [("compute", s.rank, s.start_s, s.end_s, s.label) for s in timeline.spans]
    for t in timeline.transfers:
        bars.append(("sends", t.src, t.start_s, t.arrival_s, f"→ {t.dst}"))
        bars.append(("receives", t.dst, t.start_s, t.arrival_s, f"← {t.src}"))
    bars = [bar for bar in bars if bar[2] < end_s]
    corners = []
    for kind, rank, start_s, stop_s, label in bars:
        low, high = (rank + edge for edge in _LANES[kind])
        left, right = start_s / scale_s, min(stop_s, end_s) / scale_s
        corners.append([(left, low), (right, low), (right, high), (left, high)])
        if (right - left) * scale_s / end_s >= _NARROW:
            middle = ((left + right) / 2, (low + high) / 2)
            axes.text(*middle, label, ha="center", va="center", fontsize=8.5)
    fills = [_FILL[kind] for kind, *_ in bars]
    axes.add_collection(
        PolyCollection(corners, facecolors=fills, edgecolors=INK, linewidths=0.6), autolim=False
    )
