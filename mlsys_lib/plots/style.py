"""One matplotlib style and one palette for every figure of the book.

The hues are those of Okabe & Ito, "Color Universal Design" (2008), which readers with the common
kinds of color blindness can tell apart. Color is never the only cue: `CYCLE` pairs each color with
a dash and a marker, so that a chart survives a greyscale printer.

Each color has a twin for the dark theme. A figure is drawn once, in the light colors;
`mlsys_lib.plots.svg` replaces them by CSS variables and the page picks the twin.

>>> with style():
...     figure, axes = panel(xlabel="workers", ylabel="seconds")
...     _ = axes.plot([1, 2, 4], label="ring")
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

BLUE = "#0072b2"
ORANGE = "#d55e00"
GREEN = "#009e73"
PURPLE = "#cc79a7"
YELLOW = "#f0e442"  # YELLOW, SKY and AMBER are too pale for a line on white: fill with them
SKY = "#56b4e9"
AMBER = "#e69f00"
INK = "#1f2328"
MUTED = "#59636e"
GRID = "#d0d7de"
PAPER = "#ffffff"

#: Name of the CSS variable, color in the light theme, color in the dark theme.
THEMES: tuple[tuple[str, str, str], ...] = (
    ("blue", BLUE, "#4aa8e0"),
    ("orange", ORANGE, "#f28c38"),
    ("green", GREEN, "#2fc79a"),
    ("purple", PURPLE, "#dd9fc2"),
    ("yellow", YELLOW, "#f0e442"),
    ("sky", SKY, "#9ad4f5"),
    ("amber", AMBER, "#e6ae3c"),
    ("ink", INK, "#e6e8eb"),
    ("muted", MUTED, "#a3acb6"),
    ("grid", GRID, "#3d444d"),
    ("paper", PAPER, "#121212"),
)

LINE_COLORS = (BLUE, ORANGE, GREEN, PURPLE, INK)
LINE_DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
LINE_MARKERS = ("o", "s", "^", "D", "v")
CYCLE = cycler(color=LINE_COLORS) + cycler(linestyle=LINE_DASHES) + cycler(marker=LINE_MARKERS)

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

PANEL = (4.4, 3.0)
"""Inches: one of two panels side by side; at 390 px, a phone, its text is still 10 px tall."""
WIDE = (7.2, 3.2)
"""Inches: a single figure as wide as the text."""

RC: dict[Any, Any] = {
    "figure.figsize": PANEL,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "figure.subplot.left": 0.15,
    "figure.subplot.right": 0.97,
    "figure.subplot.bottom": 0.16,
    "figure.subplot.top": 0.89,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titley": 1.03,  # a fixed place: finding a free one costs a fifth of a drawing
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": CYCLE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "patch.edgecolor": INK,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
}


@contextmanager
def style(**overrides: Any) -> Iterator[None]:
    """Draw in the book's style inside the block; also a decorator.

    Parameters
    ----------
    **overrides
        matplotlib settings with `__` for the dot, as `axes__grid=True`.

    Raises
    ------
    KeyError
        If matplotlib has no such setting.
    """
    changed: dict[Any, Any] = {key.replace("__", "."): value for key, value in overrides.items()}
    with matplotlib.rc_context(RC | changed):
        yield


def panel(size: tuple[float, float] = PANEL, **properties: Any) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes whose layout never moves.

    Labels and titles have fixed places, ticks are few, and a log scale has no minor ones, so that
    a drawing takes half of matplotlib's usual time and nothing jumps from one frame to the next.

    Parameters
    ----------
    size : (float, float), optional
        Width and height in inches.
    **properties
        Of the axes: `xlabel`, `ylim`, `title`, `xscale`, …

    Returns
    -------
    (Figure, Axes)
        Unknown to pyplot, so nothing has to be closed.
    """
    with style():
        figure = Figure(figsize=size)
        axes = figure.add_subplot(**properties)
    axes.xaxis.set_label_coords(0.5, -0.13)
    axes.yaxis.set_label_coords(-0.13, 0.5)
    axes.minorticks_off()
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if axis.get_scale() == "linear":
            axes.locator_params(axis=name, nbins=6)
        elif axis.get_scale() == "log":
            axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    return figure, axes


def power_of_ten(value: float) -> str:
    """Write a tick of a log scale; between the powers of ten, nothing.

    In plain characters: a formula takes matplotlib some 8 ms a tick, and its letters stand
    where DejaVu Sans would have them, whatever the font of the page.

    >>> [power_of_ten(value) for value in (1e-6, 1, 10, 20, 1e12)]
    ['10⁻⁶', '1', '10', '', '10¹²']
    """
    exponent = round(math.log10(value)) if value > 0 else 0
    if not math.isclose(value, 10.0**exponent):
        return ""
    if exponent in (0, 1):
        return str(10**exponent)
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def css_variables(theme: str) -> str:
    """Return the palette as CSS declarations, `--mlsys-blue:#0072b2;…`.

    Parameters
    ----------
    theme : {"light", "dark"}

    Raises
    ------
    ValueError
        For another theme.
    """
    if theme not in ("light", "dark"):
        raise ValueError(f"theme must be 'light' or 'dark', got {theme!r}")
    column = 1 if theme == "light" else 2
    return "".join(f"--mlsys-{row[0]}:{row[column]};" for row in THEMES)
