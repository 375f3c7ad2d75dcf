"""ATOMO's probabilities filling up with the budget, and the noise that is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.plots.style import BLUE, INK, MUTED, ORANGE, PURPLE, panel

_SIZE = (4.4, 3.8)
_TOP = 1.5
_MOST_BARS = 17
_WIDE, _NARROW = 0.84, 0.5
_TINTS = {MUTED: 0.3, BLUE: 0.45}
_NONE = 1e-12
_BAR_KEY_Y, _CURVE_KEY_Y = 1.05, (1.135, 1.05)
_LOOKS: dict[str, dict[str, Any]] = {
    "ATOMO": {"color": BLUE, "linestyle": "-", "marker": "o", "linewidth": 2.4},
    "equal chances": {"color": ORANGE, "linestyle": "--", "marker": "s"},
    "released": {"color": PURPLE, "linestyle": "-.", "marker": "^"},
    "other atoms": {"color": INK, "linestyle": ":", "marker": "D"},
}
_KEYS_AT = ((-0.11, 0), (0.385, 0), (-0.11, 1), (0.385, 1))
SURE = 1 - 2.0**-23
"""The library sends an atom in every message if p is 1 up to a float32's rounding."""


@dataclass(frozen=True)
class Bar:
    """An atom, or a group of them that are about as large.

    Attributes
    ----------
    name : str
        Stands below it; may be empty.
    asked : float
        What it would get in proportion to its size: budget · |x_j| / Σ|x|. May exceed 1.
    probability, following : float
        ATOMO's p_j, with this budget and with one atom's worth more; of a group, the mean.
    """

    name: str
    asked: float
    probability: float
    following: float

    @property
    def is_sure(self) -> bool:
        """Whether it is sent in every message."""
        return self.probability >= SURE


@dataclass(frozen=True)
class Budget:
    """Atoms of one gradient, and a budget for them.

    Attributes
    ----------
    atoms, unit : str
        What is sent or not: "six numbers", "singular values", "entries"; and the plural for a
        count of them.
    budget : float
        How many are sent on average.
    worth : int
        Atoms that are one more: 913 entries have as many floats as a singular value.
    num_atoms, num_sure : int
        How many there are, and how many have p = 1.
    following_noise : float
        Variance over ‖x‖² with one atom's worth more.
    bars : tuple of Bar
        From the largest atom down.
    below : str
        What the names of the bars are.
    budgets : tuple of float
        Along the right panel.
    noises : mapping of name to tuple of float
        Variance over ‖x‖² for each of `budgets`.
    released_sum : float
        Sum of the released sampler's probabilities.
    other_atoms : str
        Whose noise the last curve has, for as many floats; empty if there are no others.
    message_bytes, other_bytes : float
        Of a message of these atoms and of the others.
    """

    atoms: str
    unit: str
    budget: float
    worth: int
    num_atoms: int
    num_sure: int
    following_noise: float
    bars: tuple[Bar, ...]
    below: str
    budgets: tuple[float, ...]
    noises: Mapping[str, tuple[float, ...]]
    released_sum: float
    other_atoms: str
    message_bytes: float
    other_bytes: float

    @property
    def left(self) -> float:
        """What the sure ones leave of the budget."""
        return self.budget - self.num_sure

    @property
    def noise(self) -> Mapping[str, float]:
        """Noise with this budget, by name."""
        at = self.budgets.index(self.budget)
        return {name: values[at] for name, values in self.noises.items()}

    @property
    def can_grow(self) -> bool:
        """Whether there are atoms for one more."""
        return self.budget + self.worth <= self.num_atoms

    @property
    def verdict(self) -> str:
        """Who is sure, and what is left for the others."""
        others = format_count(self.num_atoms - self.num_sure)
        if self.num_sure == self.num_atoms:
            return f"all {self.num_sure} sure"
        if self.num_sure == 0:
            return f"none sure, {number(self.budget)} for all {others}"
        left = number(self.left)
        return f"{format_count(self.num_sure)} sure, {left} left for the other {others}"


class BudgetPlot:
    """Probabilities as bars on the left; on the right noise against the budget."""

    def __init__(self) -> None:
        self._make_bars()
        self._make_noises()

    def _make_bars(self) -> None:
        self._chances, axes = panel(_SIZE, ylim=(0, _TOP))
        axes.set_position((0.085, 0.175, 0.9, 0.665))
        axes.set_yticks([0, 0.5, 1])
        axes.set_xticks([])
        self._chances_title = axes.set_title("", x=-0.075, y=1.135)
        axes.axhline(1, color=MUTED, linestyle="-", linewidth=0.8, zorder=0)
        self._bars = [_BarArtists(axes, place) for place in range(_MOST_BARS)]
        self._over = axes.text(0.48, 1.43, "", va="center", color=MUTED, fontsize=8.5)
        self._below = axes.text(0.5, -0.19, "", transform=axes.transAxes, ha="center", va="center")
        _swatch(axes, -0.075, MUTED).set_linewidth(0)
        _swatch(axes, 0.275, BLUE)
        _swatch(axes, 0.39, BLUE).set(facecolor="none", hatch="////")
        for x, words in ((-0.02, "in proportion"), (0.33, "p"), (0.445, "p = 1: sure")):
            _key_text(axes, x, words)
        more: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "marker": ""}
        axes.plot([0.715, 0.755], [_BAR_KEY_Y] * 2, color=ORANGE, ls="-", lw=1.6, **more)
        self._more = _key_text(axes, 0.77, "")

    def _make_noises(self) -> None:
        self._noise, axes = panel(_SIZE, yscale="log")
        axes.set_position((0.105, 0.125, 0.865, 0.64))
        axes.xaxis.set_label_coords(0.5, -0.12)
        axes.minorticks_off()
        axes.locator_params(axis="x", nbins=6, integer=True)
        axes.xaxis.set_major_formatter(lambda budget, _: number(budget))
        self._axes, self._noise_title = axes, axes.set_title("", x=-0.11, y=1.257)
        self._lines, self._chosen, self._keys = {}, {}, {}
        ring: dict[str, Any] = {"linestyle": "", "marker": "o", "ms": 10, "fillstyle": "none"}
        where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "markevery": [1]}
        for (name, look), (x, row) in zip(_LOOKS.items(), _KEYS_AT, strict=True):
            (self._lines[name],) = axes.plot([], [], ms=3.5, **look)
            (self._chosen[name],) = axes.plot([], [], color=look["color"], **ring)
            y = _CURVE_KEY_Y[row]
            (key,) = axes.plot([x, x + 0.03, x + 0.06], [y] * 3, ms=3.5, **look, **where)
            text = axes.text(x + 0.075, y, "", transform=axes.transAxes, va="center", fontsize=8.5)
            self._keys[name] = key, text
        self._note = axes.text(0.02, 0.03, "", transform=axes.transAxes, color=MUTED, va="bottom")
        self._note.set_fontsize(8.5)

    def draw(self, shown: Budget) -> tuple[Figure, Figure]:
        """Show one position."""
        self._draw_bars(shown)
        self._draw_noises(shown)
        return self._chances, self._noise

    def _draw_bars(self, shown: Budget) -> None:
        self._chances_title.set_text(f"budget {number(shown.budget)}: {shown.verdict}")
        self._chances.axes[0].set_xlim(-0.6, len(shown.bars) - 0.4)
        for place, artists in enumerate(self._bars):
            artists.draw(shown.bars[place] if place < len(shown.bars) else None)
        highest = shown.bars[0].asked
        self._over.set_text(f"↑ {highest:.3g}" if highest > _TOP else "")
        self._below.set_text(shown.below)
        self._more.set_text(f"with {shown.worth} more")

    def _draw_noises(self, shown: Budget) -> None:
        noise = shown.noise
        more = f"; with {shown.worth} more: {short(shown.following_noise)}"
        self._noise_title.set_text(f"noise {short(noise['ATOMO'])}{more if shown.can_grow else ''}")
        self._axes.set_xlim(0, shown.budgets[-1] * 1.05)
        self._axes.set_ylim((1e-2, 400) if shown.other_atoms else (1e-3, 30))
        self._axes.set_xlabel(f"budget: {shown.unit} sent on average")
        words = {
            "released": f"released, Σp {number(shown.released_sum)}",
            "other atoms": f"{shown.other_atoms}, same floats",
        }
        for name, (key, text) in self._keys.items():
            is_there = name in noise
            self._lines[name].set_data(*_above_zero(shown.budgets, shown.noises.get(name, ())))
            self._chosen[name].set_data(*_above_zero([shown.budget], [noise.get(name, 0.0)]))
            key.set_visible(is_there)
            text.set_text(f"{words.get(name, name)}: {short(noise[name])}" if is_there else "")
        self._note.set_text(
            f"a message: {format_bytes(shown.message_bytes)}, with {shown.other_atoms} "
            f"{format_bytes(shown.other_bytes)}"
            if shown.other_atoms
            else ""
        )


class _BarArtists:
    """An atom's bar, what it asks for behind it, and where it rises to with one more."""

    def __init__(self, axes: Axes, place: int) -> None:
        self._asked = _bar(axes, place, _WIDE, MUTED)
        self._asked.set_linewidth(0)
        self._bar = _bar(axes, place, _NARROW, BLUE)
        self._place = place
        (self._next,) = axes.plot([], [], color=ORANGE, ls="-", lw=1.6, marker="", zorder=5)
        at: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "ha": "center"}
        self._name = axes.text(place, -0.055, "", va="center", fontsize=8.5, **at)
        self._value = axes.text(place, -0.115, "", va="center", fontsize=8.5, color=BLUE, **at)

    def draw(self, bar: Bar | None) -> None:
        """Show an atom, or nothing."""
        for artist in (self._asked, self._bar, self._next):
            artist.set_visible(bar is not None)
        self._name.set_text(bar.name if bar else "")
        self._value.set_text(f"{bar.probability:.2f}" if bar and bar.name else "")
        if bar is None:
            return
        self._asked.set_height(min(bar.asked, _TOP))
        self._bar.set_height(bar.probability)
        self._bar.set(
            hatch="////" if bar.is_sure else "",
            facecolor="none" if bar.is_sure else to_rgba(BLUE, _TINTS[BLUE]),
        )
        x, low, high = self._place, bar.probability, bar.following
        half = _NARROW / 2
        self._next.set_data([x, x, x - half, x + half], [low, high, high, high])
        self._next.set_visible(high > low)


def number(value: float) -> str:
    """Write a budget with four digits, and all of them before the point.

    >>> number(0.5), number(2.0), number(13 / 7), number(10956.3)
    ('0.5', '2', '1.857', '10 956')
    """
    return format_count(round(value)) if value >= 1000 else f"{value:.4g}"


def short(noise: float) -> str:
    """Write a noise with three digits; what rounding leaves of none is 0.

    >>> short(0.35575), short(2e-17)
    ('0.356', '0')
    """
    return f"{noise:.3g}" if noise > _NONE else "0"


def _bar(axes: Axes, place: int, width: float, color: str) -> Rectangle:
    bar = Rectangle((place - width / 2, 0), width, 0, edgecolor=color, linewidth=1.1)
    bar.set_facecolor(to_rgba(color, _TINTS[color]))
    axes.add_patch(bar)
    return bar


def _swatch(axes: Axes, x: float, color: str) -> Rectangle:
    corner = (x, _BAR_KEY_Y - 0.022)
    swatch = Rectangle(corner, 0.045, 0.044, transform=axes.transAxes, clip_on=False, ec=color)
    swatch.set_facecolor(to_rgba(color, _TINTS[color]))
    axes.add_patch(swatch)
    return swatch


def _key_text(axes: Axes, x: float, words: str) -> Any:
    return axes.text(x, _BAR_KEY_Y, words, transform=axes.transAxes, va="center", fontsize=8.5)


def _above_zero(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the points that a log scale can show."""
    pairs = [(a, b) for a, b in zip(x, y, strict=False) if b > _NONE]
    return [a for a, _ in pairs], [b for _, b in pairs]
