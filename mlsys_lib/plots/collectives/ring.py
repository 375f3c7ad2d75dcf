"""The ring between two steps: what has just traveled, and what every machine holds.

Chunks are letters, machines are numbers, so that the two are not mixed up.
"""

from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from mlsys_lib.plots.style import BLUE, GREEN, INK, MUTED, ORANGE

MOST_MACHINES = 12
_SIZE = (4.4, 3.7)
_BOX = {"boxstyle": "round,pad=0.2", "linewidth": 0.8}


@dataclass(frozen=True)
class Move:
    """A chunk that went from `src` to `dst`, holding the numbers of `held` machines."""

    src: int
    dst: int
    chunk: int
    held: int


@dataclass(frozen=True)
class RingState:
    """A ring all-reduce after `step` of its steps.

    Attributes
    ----------
    workers, step, num_steps : int
    held : ndarray of shape (workers, workers), int
        held[r, c]: how many machines' numbers are in machine r's copy of chunk c.
    moves : tuple of Move
        What traveled in the last step, in the order of `src`; empty at the start.
    sent_gradients, total_gradients : float
        What the busiest machine has sent so far, and will have sent at the end; one gradient is
        all that a machine holds.
    """

    workers: int
    step: int
    num_steps: int
    held: np.ndarray
    moves: tuple[Move, ...]
    sent_gradients: float
    total_gradients: float

    @property
    def phase(self) -> str:
        """Which part of the algorithm the last step belongs to."""
        if self.step == 0:
            return "start"
        return "reduce-scatter" if 2 * self.step <= self.num_steps else "all-gather"

    @property
    def num_complete(self) -> int:
        """Copies of chunks that hold every machine's numbers."""
        return int((self.held == self.workers).sum())


def chunk_name(chunk: int) -> str:
    """Return the letter of a chunk: 0 is A."""
    return ascii_uppercase[chunk]


class RingPlot:
    """The machines on a circle, and beside it the table of who holds what."""

    def __init__(self) -> None:
        self._circle, axes = _bare_panel((0.03, 0.03, 0.94, 0.85))
        axes.set(xlim=(-1.72, 1.72), ylim=(-1.32, 1.32))
        self._circle_title = axes.set_title("")
        self._machines = [_label(axes, 10, ec=INK) for _ in range(MOST_MACHINES)]
        self._parcels = [_label(axes, 9.5, ec=ORANGE) for _ in range(MOST_MACHINES)]
        self._arrows = [_arrow(axes) for _ in range(MOST_MACHINES)]
        self._sent = axes.text(0, 0, "", ha="center", va="center", linespacing=1.5)

        self._grid, axes = _bare_panel((0.085, 0.03, 0.885, 0.77))
        self._grid_axes = axes
        axes.set_title("from how many machines each chunk holds numbers", y=1.1)
        self._cells = PolyCollection([], edgecolors=MUTED, linewidths=0.4)
        self._changed = PolyCollection([], facecolors="none", edgecolors=ORANGE, linewidths=2.2)
        axes.add_collection(self._cells, autolim=False)
        axes.add_collection(self._changed, autolim=False)
        self._counts = [_label(axes, 9) for _ in range(MOST_MACHINES**2)]
        self._columns = [_label(axes, 9) for _ in range(MOST_MACHINES)]
        self._rows = [_label(axes, 9) for _ in range(MOST_MACHINES)]

    def draw(self, state: RingState) -> tuple[Figure, Figure]:
        """Show one step."""
        self._draw_circle(state)
        self._draw_grid(state)
        return self._circle, self._grid

    def _draw_circle(self, state: RingState) -> None:
        names = {0: "before the first step", state.num_steps: "all-gather, done"}
        self._circle_title.set_text(
            f"step {state.step} of {state.num_steps}: {names.get(state.step, state.phase)}"
        )
        self._sent.set_text(
            f"each has sent\n{state.sent_gradients:.2f}\nof {state.total_gradients:.2f} gradients"
        )
        for machine, text in enumerate(self._machines):
            _place(text, machine < state.workers, _on_circle(machine, state.workers), machine)
        for artist in (*self._arrows, *self._parcels):
            artist.set_visible(False)
        for move, arrow, parcel in zip(state.moves, self._arrows, self._parcels, strict=False):
            ends = [_on_circle(machine, state.workers) for machine in (move.src, move.dst)]
            arrow.set_positions(*ends)
            arrow.set_connectionstyle("arc3", rad=-np.tan(np.pi / state.workers / 2))
            arrow.set_visible(True)
            where = _on_circle(move.src + 0.5, state.workers, radius=1.21)
            _place(parcel, True, where, chunk_name(move.chunk))
            parcel.get_bbox_patch().set_facecolor(_shade(move.held, state.workers))  # type: ignore[union-attr]

    def _draw_grid(self, state: RingState) -> None:
        m = state.workers
        self._grid_axes.set(xlim=(-0.55, m - 0.45), ylim=(m - 0.45, -0.55))
        self._cells.set_verts([_square(r, c) for r in range(m) for c in range(m)])
        self._cells.set_facecolor([_shade(held, m) for held in state.held.flat])
        self._changed.set_verts([_square(move.dst, move.chunk, 0.44) for move in state.moves])
        for number, text in enumerate(self._counts):
            row, column = divmod(number, m)
            held = state.held[row, column] if row < m else 0
            _place(text, row < m, (column, row), "✓" if held == m else held)
        for number in range(MOST_MACHINES):
            edge = -0.5 - 0.035 * m
            _place(self._columns[number], number < m, (number, edge), chunk_name(number))
            _place(self._rows[number], number < m, (edge, number), number)


def _bare_panel(place: tuple[float, float, float, float]) -> tuple[Figure, Axes]:
    """Return a panel whose axes are only a system of coordinates."""
    figure = Figure(figsize=_SIZE)
    axes = figure.add_axes(place)
    axes.set_axis_off()
    return figure, axes


def _label(axes: Axes, size: float, ec: str = "") -> Text:
    box = {**_BOX, "ec": ec, "fc": "none"} if ec else None
    return axes.text(0, 0, "", fontsize=size, ha="center", va="center_baseline", bbox=box)


def _arrow(axes: Axes) -> FancyArrowPatch:
    arrow = FancyArrowPatch(
        (0, 0), (1, 1), arrowstyle="-|>", mutation_scale=9, shrinkA=11, shrinkB=11,
        color=ORANGE, linewidth=1.4,
    )  # fmt: skip
    axes.add_patch(arrow)
    return arrow


def _place(text: Text, visible: bool, where: tuple[float, float], content: object) -> None:
    text.set_visible(visible)
    text.set_position(where)
    text.set_text(str(content))


def _on_circle(machine: float, workers: int, radius: float = 1.0) -> tuple[float, float]:
    """Return where a machine stands: 0 at the top, the others clockwise."""
    angle = 2 * np.pi * machine / workers
    return radius * float(np.sin(angle)), radius * float(np.cos(angle))


def _square(row: int, column: int, half: float = 0.47) -> np.ndarray:
    """Return the corners of a cell, shape (4, 2)."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return corners * half + (column, row)


def _shade(held: int, workers: int) -> tuple[float, float, float, float]:
    """Return a color: the deeper, the more machines; complete is another hue."""
    if held == workers:
        return to_rgba(GREEN, 0.5)
    return to_rgba(BLUE, round(0.06 + 0.5 * (held - 1) / (workers - 1), 3))
