"""A tree grows on two features: what it has cut so far, and who has sent what for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from mlsys_lib.core.units import format_bytes
from mlsys_lib.plots.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, panel

_SIZE = (4.4, 3.8)
_MOST_RANKS = 8
_MARGIN = 0.03  # of a feature's range, on either side
_COLORS = (ORANGE, BLUE)  # of class 0 and class 1
_TINTS = (to_rgba(ORANGE, 0.24), to_rgba(BLUE, 0.07))
_LOOKS = {  # from the axis on: the smaller kind first, where bars can be compared
    "row bits": (GREEN, ""),
    "votes": (PURPLE, "////"),
    "best cuts": (ORANGE, "////"),
    "histograms": (BLUE, ""),
}
_PALE = 0.3  # opacity of what was sent for earlier levels
_HALF = 0.36  # of a bar's thickness among eight ranks, in ranks
_LABELS = -0.38  # where the names of ranks begin, and the title above them
_KEY_PLACES = (_LABELS + 0.06, 0.34)
_TRIANGLE = np.array([(0, 1.15), (-1, -0.6), (1, -0.6)]) * 0.031  # inches
_CIRCLE = 0.027 * np.array([(np.cos(a), np.sin(a)) for a in np.arange(8) * np.pi / 4])


@dataclass(frozen=True)
class Region:
    """A leaf: its corners, infinite where no cut bounds it, and the class that it predicts."""

    low: tuple[float, float]
    high: tuple[float, float]
    predicted: int


@dataclass(frozen=True)
class Cut:
    """A cut of `feature` at `threshold`; `low` and `high` bound it along the other feature."""

    feature: int
    threshold: float
    low: float
    high: float
    level: int


@dataclass(frozen=True)
class Growth:
    """A tree after some levels, and the messages that it took.

    Attributes
    ----------
    strategy : str
    workers, depth : int
        Ranks, and levels of cuts so far.
    regions : tuple of Region
        The leaves.
    cuts : tuple of Cut
        All cuts; those of level `depth` are the newest.
    num_rows, num_wrong : int
        Rows of the data, and how many of them the leaves predict wrongly.
    num_missed_cuts : int
        Cuts that one machine makes, with all the data, and this tree does not; if none, both are
        the same tree.
    holds : tuple of str
        What lies with each rank.
    earlier_bytes, newest_bytes : mapping of kind to tuple of int
        Bytes that each rank has sent for the levels before the newest, and for the newest.
    limit_bytes : int
        The most that any rank sends, with any strategy, until the last level.
    """

    strategy: str
    workers: int
    depth: int
    regions: tuple[Region, ...]
    cuts: tuple[Cut, ...]
    num_rows: int
    num_wrong: int
    num_missed_cuts: int
    holds: tuple[str, ...]
    earlier_bytes: Mapping[str, tuple[int, ...]]
    newest_bytes: Mapping[str, tuple[int, ...]]
    limit_bytes: int

    @property
    def newest_cuts(self) -> tuple[Cut, ...]:
        """The cuts of the last level."""
        return tuple(cut for cut in self.cuts if cut.level == self.depth)

    def kind_bytes(self, kind: str) -> tuple[int, ...]:
        """Return the bytes of this kind that each rank has sent so far."""
        pairs = zip(self.earlier_bytes[kind], self.newest_bytes[kind], strict=True)
        return tuple(earlier + newest for earlier, newest in pairs)

    @property
    def sent_bytes(self) -> tuple[int, ...]:
        """Bytes that each rank has sent so far."""
        return tuple(map(sum, zip(*map(self.kind_bytes, self.earlier_bytes), strict=True)))


class GrowingPlot:
    """The points and the regions on the left, a bar for each rank on the right.

    Parameters
    ----------
    X : ndarray of shape (n, 2)
    y : ndarray of shape (n,), int64
        Class 0 or 1.
    feature_names, class_names : pair of str
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        feature_names: Sequence[str],
        class_names: Sequence[str],
    ) -> None:
        spread = np.ptp(X, axis=0)
        self._low, self._high = X.min(axis=0) - _MARGIN * spread, X.max(axis=0) + _MARGIN * spread
        self._make_points(X, y, feature_names, class_names)
        self._make_bars()

    def _make_points(
        self, X: np.ndarray, y: np.ndarray, features: Sequence[str], classes: Sequence[str]
    ) -> None:
        self._map, axes = panel(_SIZE, xlabel=features[0], ylabel=features[1])
        axes.set_position((0.105, 0.125, 0.88, 0.715))
        axes.set(xlim=(self._low[0], self._high[0]), ylim=(self._low[1], self._high[1]))
        axes.xaxis.set_label_coords(0.5, -0.1)
        axes.yaxis.set_label_coords(-0.075, 0.5)
        self._map_title = axes.set_title("", y=1.085)
        self._regions = PolyCollection([], linewidths=0)
        axes.add_collection(self._regions, autolim=False)
        for which, shape in ((1, _CIRCLE), (0, _TRIANGLE)):
            path = self._marks(axes, X[y == which], shape)
            face = "none" if which else to_rgba(_COLORS[which], 0.55)
            look: dict[str, Any] = {"edgecolor": _COLORS[which], "facecolor": face, "lw": 0.7}
            axes.add_patch(PathPatch(path, transform=axes.transAxes, **look))
        self._old_cuts = LineCollection([], colors=MUTED, linewidths=1.1, zorder=4)
        self._new_cuts = LineCollection([], colors=INK, linewidths=2.6, zorder=5)
        axes.add_collection(self._old_cuts, autolim=False)
        axes.add_collection(self._new_cuts, autolim=False)
        for x, which, mark in ((0.012, 0, "▲"), (0.25, 1, "○")):
            key = axes.text(x, 1.035, f"{mark} {classes[which]}", transform=axes.transAxes)
            key.set(color=INK, bbox={"pad": 2.5, "lw": 0, "fc": _TINTS[which]})
        self._likeness = axes.text(1, 1.035, "", ha="right", transform=axes.transAxes)

    def _marks(self, axes: Axes, points: np.ndarray, shape: np.ndarray) -> Path:
        """Return all marks as one path: the page then stores one line, and not one for each."""
        inches = np.array(_SIZE) * axes.get_position().size
        center = (points - self._low) / (self._high - self._low)
        closed = np.vstack([shape, shape[:1]]) / inches
        codes = [Path.MOVETO, *[Path.LINETO] * (len(shape) - 1), Path.CLOSEPOLY]
        return Path((center[:, None] + closed).reshape(-1, 2), codes * len(points))

    def _make_bars(self) -> None:
        self._bars, axes = panel(_SIZE, xlabel="kilobytes sent")
        axes.set_position((0.285, 0.125, 0.69, 0.715))
        axes.xaxis.set_label_coords(0.5, -0.1)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        self._bar_axes = axes
        self._bars_title = axes.set_title("", x=_LABELS, y=1.085)
        self._totals = [axes.text(0, 0, "", va="center_baseline") for _ in range(_MOST_RANKS)]
        self._parts = {kind: _bar_parts(axes, kind) for kind in _LOOKS}
        self._key = [axes.text(x, 1.035, "", transform=axes.transAxes) for x in _KEY_PLACES]
        self._patches = {kind: _key_patches(axes, kind) for kind in _LOOKS}

    def draw(self, growth: Growth) -> tuple[Figure, Figure]:
        """Show one position."""
        self._draw_map(growth)
        self._draw_bars(growth)
        return self._map, self._bars

    def _draw_map(self, growth: Growth) -> None:
        leaves = "1 leaf" if len(growth.regions) == 1 else f"{len(growth.regions)} leaves"
        misread = f"{growth.num_wrong} of {growth.num_rows} misread"
        self._map_title.set_text(f"{growth.strategy}, level {growth.depth}: {leaves}, {misread}")
        missed = growth.num_missed_cuts
        likeness = f"misses {missed} cuts of" if missed else "same tree as on"
        self._likeness.set_text(f"{likeness} one machine")
        corners = [np.clip([r.low, r.high], self._low, self._high) for r in growth.regions]
        self._regions.set_verts([_rectangle(low, high) for low, high in corners])
        self._regions.set_facecolor([_TINTS[region.predicted] for region in growth.regions])
        newest = growth.newest_cuts
        self._new_cuts.set_segments([self._segment(cut) for cut in newest])
        older = [self._segment(cut) for cut in growth.cuts if cut not in newest]
        self._old_cuts.set_segments(older)

    def _segment(self, cut: Cut) -> list[tuple[float, float]]:
        other = 1 - cut.feature
        ends = np.clip([cut.low, cut.high], self._low[other], self._high[other])
        points = [(cut.threshold, float(end)) for end in ends]
        return [(a, b) if cut.feature == 0 else (b, a) for a, b in points]

    def _draw_bars(self, growth: Growth) -> None:
        m, axes = growth.workers, self._bar_axes
        pale = f"; pale: before level {growth.depth}" if growth.depth > 1 else ""
        self._bars_title.set_text(f"{format_bytes(sum(growth.sent_bytes))} sent by all{pale}")
        axes.set(xlim=(0, 1.18 * growth.limit_bytes / 1000), ylim=(m - 0.4, -0.6))
        axes.set_yticks(range(m), [f"rank {r}: {what}" for r, what in enumerate(growth.holds)])
        self._draw_key(growth)
        end = np.zeros(m)
        for kind, parts in self._parts.items():
            for sent, part in zip((growth.earlier_bytes, growth.newest_bytes), parts, strict=True):
                start, end = end, end + np.array(sent.get(kind, (0,) * m)) / 1000
                part.set_verts(_bars(start, end))
        for rank, text in enumerate(self._totals):
            text.set_visible(rank < m)
            if rank < m:
                text.set_position((end[rank] + 0.016 * growth.limit_bytes / 1000, rank))
                text.set_text(_sent_text(growth, rank))

    def _draw_key(self, growth: Growth) -> None:
        kinds = [kind for kind in _LOOKS if kind in growth.earlier_bytes]
        for place, text in enumerate(self._key):
            text.set_visible(place < len(kinds))
            if place < len(kinds):
                sent = format_bytes(sum(growth.kind_bytes(kinds[place])))
                text.set_text(f"{kinds[place]} {sent}")
        for kind, patches in self._patches.items():
            for place, patch in enumerate(patches):
                patch.set_visible(kind in kinds and kinds.index(kind) == place)


def _sent_text(growth: Growth, rank: int) -> str:
    """Return what a rank has sent; bits are few, so they are told in words."""
    text = format_bytes(growth.sent_bytes[rank])
    if growth.depth and "row bits" in growth.newest_bytes:
        text += f", {format_bytes(growth.kind_bytes('row bits')[rank])} of it row bits"
    return text


def _bar_parts(axes: Axes, kind: str) -> tuple[PolyCollection, PolyCollection]:
    """Return the bars of the levels before, and of the newest level, without a rank yet."""
    color, hatch = _LOOKS[kind]
    pale = PolyCollection([], hatch=hatch, facecolors=[to_rgba(color, _PALE)], edgecolors=color)
    full = PolyCollection([], hatch=hatch, facecolors=[color], edgecolors=INK)
    for part in (pale, full):
        part.set_linewidth(0.5)
        axes.add_collection(part, autolim=False)
    return pale, full


def _key_patches(axes: Axes, kind: str) -> list[Rectangle]:
    """Return the patch of a kind at each place of the key."""
    color, hatch = _LOOKS[kind]
    look: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "hatch": hatch}
    patches = [Rectangle((x - 0.06, 1.03), 0.045, 0.038, **look) for x in _KEY_PLACES]
    for patch in patches:
        patch.set(facecolor=color, edgecolor=INK, linewidth=0.6)
        axes.add_patch(patch)
    return patches


def _bars(start: np.ndarray, end: np.ndarray) -> list[np.ndarray]:
    """Return the corners of a bar for each rank that has any; few ranks have thicker ones."""
    half = _HALF * (len(start) / _MOST_RANKS) ** 0.6
    return [
        _rectangle((start[rank], rank - half), (end[rank], rank + half))
        for rank in np.flatnonzero(end > start)
    ]


def _rectangle(low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    """Return the four corners of a rectangle."""
    return np.array([low, (high[0], low[1]), high, (low[0], high[1])])
