"""Bits a number: where a gradient lies on QSGD's grid, and what a further bit buys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.plots.style import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PAPER, panel, power_of_ten

_SIZE = (4.4, 3.8)
_TALLEST = 0.4  # of the sum, in a bar; a taller one is cut
_NOISE_LIMITS, _BITS_LIMITS = (8e-6, 600.0), (0.0, 15.9)
_NAMES_AT = 13.6
_TERNGRAD_TEXT = (0.25, 0.05)
_KEY_Y, _LEFT = 1.045, 1.15e-4


@dataclass(frozen=True)
class Setting:
    """QSGD with so many bits, and one length for so many numbers.

    Attributes
    ----------
    message_bytes : int
        Length of a message, with signs, lengths and header.
    noise, measured, bound : float
        E‖C(x) - x‖² / ‖x‖²: exact, the mean over some messages, and at most.
    """

    message_bytes: int
    noise: float
    measured: float
    bound: float


@dataclass(frozen=True)
class Bits:
    """A gradient, what arrived of it, and what other settings would cost.

    Attributes
    ----------
    bits, bucket_size : int
        Bits of a number beside its sign, and how many numbers share a length.
    num_elements : int
        k.
    edges : tuple of float
        Of the bars: sizes |x_j| as shares of the length that x_j shares.
    sizes, arrived : tuple of float
        How much lies in each bar, in the gradient and in a message. A number counts by its size
        times its length; each sums to one.
    mean_size : float
        Of the gradient, counted in the same way. What arrives has 1 + noise times as much.
    num_zeros : int
        Numbers of that message that arrived as 0.
    settings : mapping of int to tuple of Setting
        By bucket size; with 1, 2, … bits and a sign for each number.
    terngrad : (int, float)
        Bytes of TernGrad's message, and its noise.
    """

    bits: int
    bucket_size: int
    num_elements: int
    edges: tuple[float, ...]
    sizes: tuple[float, ...]
    arrived: tuple[float, ...]
    mean_size: float
    num_zeros: int
    settings: Mapping[int, tuple[Setting, ...]]
    terngrad: tuple[int, float]

    @property
    def num_levels(self) -> int:
        """Levels above 0."""
        return int(2**self.bits - 1)

    @property
    def setting(self) -> Setting:
        """The one that is looked at."""
        return self.settings[self.bucket_size][self.bits - 1]

    @property
    def gain(self) -> float | None:
        """By what a further bit would divide the noise; None for the last."""
        following = self.settings[self.bucket_size][self.bits :]
        return self.setting.noise / following[0].noise if following else None

    @property
    def zeros_share(self) -> float:
        """Share of the numbers that arrived as 0."""
        return self.num_zeros / self.num_elements

    def bits_sent(self, message_bytes: int) -> float:
        """Return the bits of a message for each number."""
        return 8 * message_bytes / self.num_elements


class BitsPlot:
    """Sizes of numbers on the grid on the left; noise against bits on the right.

    Parameters
    ----------
    bucket_sizes : tuple of int
        From the smallest to the number of all.
    """

    def __init__(self, bucket_sizes: tuple[int, ...]) -> None:
        self._make_sizes()
        self._make_noises(bucket_sizes)

    def _make_sizes(self) -> None:
        self._sizes, axes = panel(_SIZE, xscale="log", xlim=(1e-4, 1.25), ylim=(-1.12, 1.12))
        axes.set_position((0.035, 0.13, 0.94, 0.735))
        axes.set_xlabel("size, as a share of the length")
        axes.xaxis.set_label_coords(0.5, -0.105)
        axes.minorticks_off()
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        self._sizes_title = axes.set_title("", x=0, y=1.075)
        self._grid = axes.vlines([], -1, 0, color=GRID, linewidth=0.6, zorder=1)
        axes.axhline(0, color=INK, linestyle="-", linewidth=1, zorder=4)
        self._before = _hump(axes, BLUE, "")
        self._after = _hump(axes, ORANGE, "////")
        (self._typical,) = axes.plot([], [], color=INK, ls=(0, (1, 1.5)), lw=1.6, marker="")
        self._typical_name = axes.text(1, 0.6, "", va="bottom", fontsize=8.5)
        self._cut = axes.text(1, -0.97, "", color=INK, ha="right", va="center")
        left: dict[str, Any] = {"x": _LEFT, "va": "center"}
        axes.text(s="the gradient ▼", y=1.0, color=BLUE, **left)
        axes.text(s="each number counts by its size", y=0.86, fontsize=8.5, **left)
        axes.text(s="what arrives ▲", y=-0.12, color=INK, **left)
        self._zeros = axes.text(s="", y=-0.26, fontsize=8.5, **left)
        self._factor = axes.text(s="", y=-0.39, fontsize=8.5, **left)
        axes.text(s="= 1 + noise", y=-0.52, fontsize=8.5, **left)
        marks: dict[str, Any] = {"markersize": 8, "zorder": 6, "ls": "", "markeredgecolor": PAPER}
        (self._mean,) = axes.plot([], [], color=BLUE, marker="v", **marks)
        (self._arrived_mean,) = axes.plot([], [], color=ORANGE, marker="^", **marks)
        (self._stretch,) = axes.plot([], [], color=INK, ls="-", lw=3, marker="", zorder=5)

    def _make_noises(self, bucket_sizes: tuple[int, ...]) -> None:
        self._noises, axes = panel(
            _SIZE, yscale="log", xlim=_BITS_LIMITS, ylim=_NOISE_LIMITS,
            xlabel="bits of the message, for each number",
        )  # fmt: skip
        axes.set_position((0.105, 0.13, 0.875, 0.695))
        axes.xaxis.set_label_coords(0.5, -0.112)
        axes.minorticks_off()
        axes.set_xticks(range(0, 15, 2))
        self._noises_title = axes.set_title("", x=-0.11, y=1.137)
        pale: dict[str, Any] = {"color": to_rgba(MUTED, 0.6), "ls": "-", "lw": 1, "marker": ""}
        self._pale = {size: axes.plot([], [], **pale)[0] for size in bucket_sizes}
        self._names = {size: axes.text(_NAMES_AT, 1, "", va="center") for size in bucket_sizes}
        leader: dict[str, Any] = {"color": GRID, "ls": "-", "lw": 0.8, "marker": "", "zorder": 0}
        self._leaders = {size: axes.plot([], [], **leader)[0] for size in bucket_sizes}
        self._make_chosen(axes)
        (self._ternary,) = axes.plot([], [], color=GREEN, ls="", marker="D", ms=6, zorder=5)
        self._ternary.set_markeredgecolor(PAPER)
        (self._leader,) = axes.plot([], [], color=GREEN, ls="-", lw=0.8, marker="")
        axes.text(*_TERNGRAD_TEXT, "TernGrad", color=INK, va="top", fontsize=8.5)

    def _make_chosen(self, axes: Axes) -> None:
        bound: dict[str, Any] = {"color": to_rgba(BLUE, 0.6), "ls": "--", "lw": 1.3, "marker": ""}
        exact: dict[str, Any] = {"color": BLUE, "ls": "-", "lw": 2.4, "marker": ""}
        dots: dict[str, Any] = {"color": INK, "ls": "", "marker": "o", "ms": 3.5, "zorder": 5}
        (self._bound,) = axes.plot([], [], **bound)
        (self._exact,) = axes.plot([], [], **exact)
        (self._measured,) = axes.plot([], [], **dots)
        (self._step,) = axes.plot([], [], color=ORANGE, ls="-", lw=1.6, marker="", zorder=4)
        (self._chosen,) = axes.plot([], [], color=INK, ls="", marker="o", ms=10, fillstyle="none")
        self._gain = axes.text(1, 1, "", color=INK, va="bottom", zorder=6)
        _key(axes, -0.11, "exact", **exact)
        _key(axes, 0.115, "measured", **dots)
        _key(axes, 0.41, "at most", **bound)
        axes.text(
            1.0, _KEY_Y, "one length for", transform=axes.transAxes, va="center", ha="right",
            color=MUTED, fontsize=8.5,
        )  # fmt: skip

    def draw(self, shown: Bits) -> tuple[Figure, Figure]:
        """Show one position."""
        self._draw_sizes(shown)
        self._draw_noises(shown)
        return self._sizes, self._noises

    def _draw_sizes(self, shown: Bits) -> None:
        levels = np.arange(1, shown.num_levels + 1) / shown.num_levels
        self._sizes_title.set_text(
            f"{grid_text(shown.num_levels)} × the length of {shared_text(shown)}"
        )
        self._grid.set_segments([[(level, -1), (level, 0)] for level in levels])
        typical = shown.bucket_size**-0.5
        self._typical.set_data([typical] * 2, [0, 0.6])
        at_right = typical > 0.1
        self._typical_name.set(x=typical, ha="right" if at_right else "center")
        self._typical_name.set_text(f"root mean square: 1/{shown.bucket_size**0.5:.3g}")
        self._before.set_xy(_outline(shown.edges, shown.sizes, 1))
        self._after.set_xy(_outline(shown.edges, shown.arrived, -1))
        self._draw_cut(shown)
        self._zeros.set_text(f"{shown.zeros_share:.1%} as 0")
        ends = shown.mean_size, shown.mean_size * (1 + shown.setting.noise)
        self._mean.set_data(ends[:1], [0.09])
        self._arrived_mean.set_data(ends[1:], [-0.09])
        self._stretch.set_data(ends, [0, 0])
        self._factor.set_text(f"mean size × {growth_text(shown.setting.noise)}")

    def _draw_cut(self, shown: Bits) -> None:
        """Write at a bar that is cut how much it holds."""
        tallest = int(np.argmax(shown.arrived))
        share = shown.arrived[tallest]
        self._cut.set_x(0.96 * shown.edges[tallest])
        self._cut.set_text(f"{share:.0%} ↓" if share > _TALLEST else "")

    def _draw_noises(self, shown: Bits) -> None:
        setting, further = shown.setting, "" if shown.gain is None else "; a further bit: "
        gain = "" if shown.gain is None else f"÷ {shown.gain:.3g}"
        size = format_bytes(setting.message_bytes)
        self._noises_title.set_text(f"noise {noise_text(setting.noise)} for {size}{further}{gain}")
        for bucket_size, settings in shown.settings.items():
            x = [shown.bits_sent(one.message_bytes) for one in settings]
            self._pale[bucket_size].set_data(x, [one.noise for one in settings])
            name = self._names[bucket_size]
            name.set_y(settings[-1].noise)
            self._leaders[bucket_size].set_data(
                [x[-1] + 0.3, _NAMES_AT - 0.15], [settings[-1].noise] * 2
            )
            is_all = bucket_size == shown.num_elements
            name.set_text("all" if is_all else format_count(bucket_size))
            name.set_fontweight("bold" if bucket_size == shown.bucket_size else "normal")
        settings = shown.settings[shown.bucket_size]
        x = [shown.bits_sent(one.message_bytes) for one in settings]
        self._bound.set_data(x, [one.bound for one in settings])
        self._exact.set_data(x, [one.noise for one in settings])
        self._measured.set_data(x, [one.measured for one in settings])
        self._chosen.set_data([x[shown.bits - 1]], [setting.noise])
        ends = [(bits, one.noise) for bits, one in zip(x, settings, strict=True)]
        self._draw_step(ends[shown.bits - 1 : shown.bits + 1], gain)
        self._draw_terngrad(shown)

    def _draw_step(self, ends: list[tuple[float, float]], gain: str) -> None:
        """Draw one bit to the right, and the fall of the noise there."""
        (x, noise), (next_x, next_noise) = ends[0], ends[-1]
        self._step.set_data([x, next_x, next_x], [noise, noise, next_noise])
        near_names = next_x > _NAMES_AT - 2.2
        at = (x - 0.35, next_noise) if near_names else (next_x + 0.2, noise)
        self._gain.set(position=at, ha="right" if near_names else "left", text=gain)

    def _draw_terngrad(self, shown: Bits) -> None:
        sent_bytes, noise = shown.terngrad
        x = shown.bits_sent(sent_bytes)
        self._ternary.set_data([x], [noise])
        self._leader.set_data([1.0, x], [_TERNGRAD_TEXT[1], noise])


def grid_text(num_levels: int) -> str:
    """Return "0 and ±1", "multiples of 1/7".

    >>> grid_text(1), grid_text(7)
    ('0 and ±1', 'multiples of 1/7')
    """
    return "0 and ±1" if num_levels == 1 else f"multiples of 1/{num_levels}"


def noise_text(noise: float) -> str:
    """Write a noise with three digits, or two and a power of ten.

    >>> noise_text(145.74), noise_text(7.57e-5)
    ('146', '7.6 · 10⁻⁵')
    """
    if noise >= 1e-3:
        return f"{noise:.3g}"
    digits, power = f"{noise:.1e}".split("e")
    return f"{digits} · {power_of_ten(10.0 ** int(power))}"


def growth_text(noise: float) -> str:
    """Write 1 + noise.

    >>> growth_text(145.74), growth_text(7.57e-5)
    ('147', '1.00')
    """
    return f"{1 + noise:.2f}" if noise < 9 else f"{1 + noise:.3g}"


def shared_text(shown: Bits) -> str:
    """Return "512 numbers", or "all 101 770"."""
    count = format_count(shown.bucket_size)
    is_all = shown.bucket_size == shown.num_elements
    return f"all {count}" if is_all else f"{count} numbers"


def _hump(axes: Axes, color: str, hatch: str) -> Polygon:
    shape = Polygon([(1, 0)] * 3, edgecolor=color, linewidth=1.2, hatch=hatch, zorder=3)
    shape.set_facecolor("none" if hatch else to_rgba(color, 0.3))
    axes.add_patch(shape)
    return shape


def _outline(edges: tuple[float, ...], shares: tuple[float, ...], side: int) -> np.ndarray:
    """Return the outline of bars that stand on the line in the middle, or hang from it."""
    heights = np.minimum(np.array(shares) / _TALLEST, 1.12)
    filled = np.flatnonzero(heights)
    first, last = filled[0], filled[-1] + 1
    x = np.repeat(edges[first : last + 1], 2)
    return np.column_stack([x, side * np.r_[0, np.repeat(heights[first:last], 2), 0]])


def _key(axes: Axes, x: float, name: str, **look: Any) -> None:
    where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "markevery": [1]}
    axes.plot([x, x + 0.035, x + 0.07], [_KEY_Y] * 3, **look | where)
    axes.text(x + 0.085, _KEY_Y, name, transform=axes.transAxes, va="center", fontsize=8.5)
