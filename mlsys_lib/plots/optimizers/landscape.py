"""How an optimizer walks through a valley: its path, and the step it gives each coordinate."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, PathPatch
from matplotlib.path import Path

from mlsys_lib.plots.collectives.race import spread
from mlsys_lib.plots.style import BLUE, GRID, INK, MUTED, ORANGE, PAPER, panel, power_of_ten

X_LIMITS, Y_LIMITS = (-5.0, 5.0), (-3.3, 3.3)
LEVELS = (0.1, 0.5, 2.0, 6.0, 12.5, 25.0, 50.0)
_STEP_LIMITS = (1e-4, 1e3)
_SIZE = (4.4, 3.7)
_FAR = 15.0  # who is so far away does not come back
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "linewidth": 2.4},
    {"color": ORANGE, "linestyle": (0, (3, 2)), "linewidth": 1.8},
)
_NAMES = ("w₁", "w₂")


@dataclass(frozen=True)
class Valley:
    """A long bowl, ½ wᵀHw.

    Attributes
    ----------
    name : str
    curvatures : (float, float)
        Eigenvalues of H: along the valley, and across it.
    angle : float
        Radians by which the valley is turned from the first coordinate.
    noise : float
        Standard deviation of what is added to each coordinate of a gradient.
    """

    name: str
    curvatures: tuple[float, float]
    angle: float
    noise: float

    def across(self, points: np.ndarray) -> np.ndarray:
        """Return how far points of shape (..., 2) lie from the floor, to one side or the other."""
        return points @ [-math.sin(self.angle), math.cos(self.angle)]


@dataclass(frozen=True)
class Walk:
    """Where an optimizer went.

    Attributes
    ----------
    title : str
        The optimizer and its options.
    valley : Valley
    points : ndarray of shape (num_steps + 1, 2)
    losses : ndarray of shape (num_steps + 1,)
        Of the points, without noise.
    effective_steps : ndarray of shape (num_steps, 2)
        What each coordinate's gradient, or its average, was multiplied by.
    limits : tuple of float
        The largest steps that do not diverge: of both coordinates, or one that holds for both.
    """

    title: str
    valley: Valley
    points: np.ndarray
    losses: np.ndarray
    effective_steps: np.ndarray
    limits: tuple[float, ...]

    @property
    def num_crossings(self) -> int:
        """How often the path changes sides; what lies within a hundredth of the floor is on none.

        Nobody would see it in the picture.
        """
        heights = self.valley.across(self.points)
        sides = np.sign(heights[np.abs(heights) >= 0.01])
        return int((sides[1:] != sides[:-1]).sum())

    @property
    def leaves_in_step(self) -> int | None:
        """The first step that ends outside the picture."""
        x, y = self.points.T
        outside = (np.abs(x) > X_LIMITS[1]) | (np.abs(y) > Y_LIMITS[1])
        return int(outside.argmax()) if outside.any() else None

    @property
    def returns(self) -> bool:
        """Whether the last point lies nearer than where a walk is cut off."""
        return bool(np.linalg.norm(self.points[-1]) < _FAR)


def loss_text(loss: float) -> str:
    """Return a loss with two or three digits.

    >>> loss_text(20.5), loss_text(0.0271), loss_text(5.6e-8), loss_text(6.1e10)
    ('20.5', '0.0271', '5.6 × 10⁻⁸', '6.1 × 10¹⁰')
    """
    if loss == 0 or 1e-3 <= loss < 1e3:
        return f"{loss:.3g}"
    mantissa, exponent = f"{loss:.1e}".split("e")
    return f"{mantissa} × {power_of_ten(10.0 ** int(exponent))}"


def step_text(step: float) -> str:
    """Return a step with two digits, or as a whole number.

    >>> step_text(0.0537), step_text(398.0)
    ('0.054', '398')
    """
    return f"{step:.2g}" if step < 100 else f"{step:.0f}"


class LandscapePlot:
    """The path over level lines on the left, the coordinates' steps on the right.

    Parameters
    ----------
    num_steps : int
    """

    def __init__(self, num_steps: int) -> None:
        self._make_map()
        self._make_path()
        self._make_steps(num_steps)
        self._make_ends()

    def _make_map(self) -> None:
        self._map, axes = panel(_SIZE, xlim=X_LIMITS, ylim=Y_LIMITS, xlabel="w₁", ylabel="w₂")
        axes.set_position((0.095, 0.115, 0.885, 0.6943))  # a unit is as long upwards as sideways
        axes.xaxis.set_label_coords(0.5, -0.09)
        axes.yaxis.set_label_coords(-0.075, 0.5)
        axes.set_xticks([-4, -2, 0, 2, 4])
        axes.set_yticks([-2, 0, 2])
        self._title = axes.set_title("", x=-0.09, y=1.12)
        self._outcome = axes.text(-0.09, 1.055, "", transform=axes.transAxes, va="center")
        self._levels = [axes.add_patch(Ellipse((0, 0), 1, 1)) for _ in LEVELS]
        for level in self._levels:
            level.set(fill=False, edgecolor=GRID, linewidth=1)
        axes.plot([0], [0], color=INK, ls="", marker="x", markersize=8, markeredgewidth=2)

    def _make_path(self) -> None:
        axes = self._map.axes[0]
        (self._path,) = axes.plot([], [], color=BLUE, linestyle="-", linewidth=1.1, marker="")
        self._dots, self._tens = (_dots(axes, width) for width in (3.4, 7.0))
        self._start = axes.annotate("start", (0, 0), (0, 8), textcoords="offset points")
        self._start.set(ha="center", fontsize=8.5)
        box = {"facecolor": PAPER, "linewidth": 0, "pad": 1.5, "alpha": 0.85}
        self._note = axes.text(-4.8, -3.1, "", va="bottom", fontweight="bold", bbox=box)
        axes.text(4.9, 3.2, "large dot: every tenth step", ha="right", va="top", fontsize=8.5)

    def _make_steps(self, num_steps: int) -> None:
        self._steps, axes = panel(
            _SIZE, yscale="log", xlim=(0, num_steps), ylim=_STEP_LIMITS, xlabel="step"
        )
        axes.set_position((0.11, 0.115, 0.62, 0.6943))
        axes.xaxis.set_label_coords(0.5, -0.09)
        axes.minorticks_off()
        axes.set_title("effective step of each coordinate", x=-0.15, y=1.12)
        self._lines = [axes.plot([], [], marker="", **look)[0] for look in _LOOKS]
        thin: dict[str, Any] = {"linestyle": ":", "linewidth": 1.4, "marker": ""}
        self._limits = [axes.plot([], [], **thin)[0] for _ in _LOOKS]
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "marker": ""}
        for x, name, look in zip((-0.15, 0.06), _NAMES, _LOOKS, strict=True):
            axes.plot([x, x + 0.1], [1.055] * 2, **look, **where)
            axes.text(x + 0.12, 1.055, name, transform=axes.transAxes, va="center")
        axes.plot([0.29, 0.39], [1.055] * 2, color=MUTED, **(thin | where))
        axes.text(0.41, 1.055, "the largest that is stable", transform=axes.transAxes, va="center")

    def _make_ends(self) -> None:
        axes = self._steps.axes[0]
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "marker": ""}
        self._ends = {
            name: axes.text(1.09, 0, "", transform=axes.transAxes, va="center")
            for name in (*_NAMES, *(f"{name} limit" for name in _NAMES), "both", "limit")
        }
        self._leaders = {
            name: axes.plot([], [], color=MUTED, ls="-", lw=0.7, **where)[0] for name in self._ends
        }

    def draw(self, walk: Walk) -> tuple[Figure, Figure]:
        """Show one walk."""
        self._draw_levels(walk.valley)
        self._draw_path(walk)
        self._draw_steps(walk)
        self._draw_ends(walk)
        return self._map, self._steps

    def _draw_levels(self, valley: Valley) -> None:
        for level, ellipse in zip(LEVELS, self._levels, strict=True):
            width, height = (2 * math.sqrt(2 * level / c) for c in valley.curvatures)
            ellipse.set(width=width, height=height, angle=math.degrees(valley.angle))

    def _draw_path(self, walk: Walk) -> None:
        self._title.set_text(walk.title)
        times = walk.num_crossings
        self._outcome.set_text(
            f"loss {loss_text(walk.losses[0])} → {loss_text(walk.losses[-1])}; "
            f"crosses the floor {times} time{'s' * (times != 1)}"
        )
        far = np.linalg.norm(walk.points, axis=1) > _FAR
        shown = walk.points[: far.argmax() + 1 if far.any() else None]
        axes = self._map.axes[0]
        self._path.set_data(*_thinned(axes, shown, 0.4).T)
        self._dots.set_path(_as_dots(_thinned(axes, shown, 1.2)))
        self._tens.set_path(_as_dots(_thinned(axes, shown[::10], 1.2)))
        self._start.xy = tuple(walk.points[0])
        leaves = walk.leaves_in_step
        ending = "" if walk.returns else " and does not return"
        self._note.set_text(f"leaves the picture in step {leaves}{ending}" if leaves else "")

    def _draw_steps(self, walk: Walk) -> None:
        axes = self._steps.axes[0]
        for j, line in enumerate(self._lines):
            curve = np.clip(walk.effective_steps[:, j], *_STEP_LIMITS)
            steps = np.arange(1, len(curve) + 1)
            if np.all(curve == curve[0]):
                steps, curve = steps[[0, -1]], curve[[0, -1]]
            line.set_data(*_thinned(axes, np.c_[steps, curve], 0.0).T)
        colors = (BLUE, ORANGE) if len(walk.limits) == 2 else (INK,)
        for line in self._limits:
            line.set_data([], [])
        for line, limit, color in zip(self._limits, walk.limits, colors, strict=False):
            line.set_data(axes.get_xlim(), [limit] * 2)
            line.set_color(color)

    def _draw_ends(self, walk: Walk) -> None:
        values = _ends(walk)
        heights = {name: _height(value) for name, value in values.items()}
        spaced = spread(heights, gap=0.075)
        for name, text in self._ends.items():
            text.set_text(f"{name} {step_text(values[name])}" if name in values else "")
            text.set_y(spaced.get(name, 0))
            ends = [heights[name], spaced[name]] if name in values else []
            self._leaders[name].set_data([1, 1.08][: len(ends)], ends)


def _ends(walk: Walk) -> dict[str, float]:
    """Return what stands at the end of each line, one name for two lines that are one."""
    steps = dict(zip(_NAMES, walk.effective_steps[-1], strict=True))
    if np.array_equal(*walk.effective_steps.T):
        steps = {"both": steps[_NAMES[0]]}
    if len(walk.limits) == 1:
        return steps | {"limit": walk.limits[0]}
    return steps | {f"{n} limit": limit for n, limit in zip(_NAMES, walk.limits, strict=True)}


def _dots(axes: Axes, width: float) -> PathPatch:
    patch = PathPatch(_as_dots(np.zeros((1, 2))), edgecolor=INK, linewidth=width)
    patch.set(fill=False, capstyle="round")
    axes.add_patch(patch)
    return patch


def _as_dots(points: np.ndarray) -> Path:
    """Return strokes without length: their round ends are dots, for a fifth of a marker's bytes."""
    return Path(np.repeat(points, 2, axis=0), [Path.MOVETO, Path.LINETO] * len(points))


def _thinned(axes: Axes, points: np.ndarray, apart: float) -> np.ndarray:
    """Return points as a page can store them in few digits.

    They move to tenths of a typographic point (1/72 inch), and those nearer than `apart` to the
    last that was kept are left out.
    """
    scale = axes.figure.get_dpi() / 72
    moved = np.round(axes.transData.transform(points) / scale, 1)
    kept = [moved[0]]
    for point in moved[1:]:
        if np.hypot(*(point - kept[-1])) >= apart:
            kept.append(point)
    return np.asarray(axes.transData.inverted().transform(np.array(kept) * scale))


def _height(step: float) -> float:
    """Return where on the axis a step stands, from 0 to 1."""
    low, high = np.log(_STEP_LIMITS)
    return float(np.clip((np.log(step) - low) / (high - low), 0, 1))
