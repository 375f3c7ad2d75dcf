"""Four ways between one model and many: errors against examples, and the weights in a plane.

Errors are drawn as multiples of that of local models, so that whatever is below one gains from the
other clients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlsys_lib.plots.style import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PAPER, PURPLE, panel

NAMES = {"global": "global", "local": "local", "ditto": "Ditto", "mocha": "MOCHA"}
_WORDS = {
    "global": "global, one for all",
    "local": "local, one for each",
    "ditto": "Ditto, near one",
    "mocha": "MOCHA, related",
}
_SIZE = (4.4, 3.9)
_MOST = 2.0
"""Where the axis of errors ends."""
_SIDES = (-3.35, 3.35), (-2.4, 2.4)
_NEAR = 1.1
"""Who has at most this many times the least error is also called best."""
_LOOKS: dict[str, dict[str, Any]] = {
    "global": {"color": BLUE, "linestyle": "-", "marker": "P"},
    "local": {"color": ORANGE, "linestyle": "--", "marker": "s"},
    "ditto": {"color": GREEN, "linestyle": "-.", "marker": "^"},
    "mocha": {"color": PURPLE, "linestyle": (0, (1, 1.2)), "marker": "D"},
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Errors by examples, and weights that were learned in one draw.

    Attributes
    ----------
    clients : str
        How they lie, in words.
    similarity : float
    size : int
        Examples of a client, the number that is looked at.
    sizes : tuple of int
    local : tuple of float
        For each of `sizes` the error of local models.
    ratios : mapping of method to tuple of float
        For each of `sizes` a method's error, in multiples of that of local models.
    truth : ndarray of shape (m, 2)
        Two of each client's true weights.
    learned : mapping of method to ndarray of shape (m, 2)
        The same two of what was learned from `size` examples.
    """

    clients: str
    similarity: float
    size: int
    sizes: tuple[int, ...]
    local: tuple[float, ...]
    ratios: Mapping[str, tuple[float, ...]]
    truth: np.ndarray
    learned: Mapping[str, np.ndarray]

    @property
    def place(self) -> int:
        """Where `size` stands among `sizes`."""
        return self.sizes.index(self.size)

    @property
    def here(self) -> dict[str, float]:
        """The ratios at `size`."""
        return {name: ratios[self.place] for name, ratios in self.ratios.items()}

    def best(self, place: int) -> list[str]:
        """Return the method with the least error at a place of `sizes`, and those near it."""
        values = {name: ratios[place] for name, ratios in self.ratios.items()}
        least = min(values.values())
        return [name for name, value in values.items() if value <= _NEAR * least]

    def names_of_best(self, place: int) -> str:
        """Return the names of `best`, one after the other."""
        return ", ".join(NAMES[name] for name in self.best(place))

    @property
    def between(self) -> str:
        """Of Ditto and MOCHA the one with the lesser error at `size`."""
        return min(("ditto", "mocha"), key=lambda name: self.here[name])


class OneOrManyPlot:
    """Errors on the left, weights on the right.

    Parameters
    ----------
    sizes : sequence of int
        Examples of a client.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._make_errors(sizes)
        self._make_weights()

    def _make_errors(self, sizes: Sequence[int]) -> None:
        self._errors, axes = panel(
            _SIZE, xscale="log", xlim=(sizes[0] / 1.25, sizes[-1] * 1.25), ylim=(0, _MOST),
            xlabel="examples a client",
        )  # fmt: skip
        axes.set_position((0.09, 0.125, 0.895, 0.635))
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.xaxis.set_label_coords(0.5, -0.1)
        self._errors_title = axes.set_title("", x=-0.095, y=1.225)
        self._band = axes.axvspan(1, 2, facecolor=GRID, alpha=0.6)
        self._beyond = axes.text(sizes[-1] * 1.2, 0.96 * _MOST, "", ha="right", va="top")
        self._lines = {
            name: axes.plot([], [], markersize=5, **look)[0] for name, look in _LOOKS.items()
        }
        (self._winners,) = axes.plot([], [], color=INK, ls="", marker="o", ms=11, fillstyle="none")
        places = ((-0.095, 1.15), (0.46, 1.15), (-0.095, 1.06), (0.46, 1.06))
        self._keys = {
            name: _key(axes, at, _LOOKS[name]) for name, at in zip(_LOOKS, places, strict=True)
        }

    def _make_weights(self) -> None:
        self._weights, axes = panel(_SIZE, xlim=_SIDES[0], ylim=_SIDES[1])
        axes.set_position((0.08, 0.125, 0.905, 0.635))
        axes.set(xticks=range(-3, 4), yticks=range(-2, 3), xlabel="a client's first weight")
        axes.xaxis.set_label_coords(0.5, -0.1)
        self._weights_title = axes.set_title("", x=-0.085, y=1.225)
        axes.plot([0], [0], color=MUTED, ls="", marker="+", ms=9)
        self._ways = {
            name: axes.plot([], [], ls=dash, lw=1.2, marker="")[0]
            for name, dash in (("local", "--"), ("between", "-"))
        }
        self._found = {name: axes.plot([], [], ls="", ms=5.5)[0] for name in ("local", "between")}
        (self._truth,) = axes.plot([], [], color=INK, ls="", marker="o", ms=6, zorder=4)
        (self._global,) = axes.plot([], [], **_mark("global"), ms=13, mec=PAPER, zorder=5)
        _key(axes, (-0.085, 1.15), {"color": INK, "ls": "", "marker": "o", "ms": 6}, "the truth")
        self._weight_keys = {
            name: _key(axes, at, _mark(name), _WORDS[name])
            for name, at in (
                ("global", (0.385, 1.15)),
                ("local", (-0.085, 1.06)),
                ("ditto", (0.385, 1.06)),
                ("mocha", (0.385, 1.06)),
            )
        }

    def draw(self, shown: Comparison) -> tuple[Figure, Figure]:
        """Show one number of examples."""
        self._draw_errors(shown)
        self._draw_weights(shown)
        return self._errors, self._weights

    def _draw_errors(self, shown: Comparison) -> None:
        best, here = shown.best(shown.place), shown.here
        self._errors_title.set_text(
            f"error (local = 1); best with {shown.size}: {shown.names_of_best(shown.place)}"
        )
        self._band.set_x(shown.size / 1.13)
        self._band.set_width(shown.size * (1.13 - 1 / 1.13))
        for name, line in self._lines.items():
            line.set_data(shown.sizes, shown.ratios[name])
            line.set_linewidth(2.6 if name in best else 1.4)
            number = f"{shown.local[shown.place]:.2g}" if name == "local" else f"× {here[name]:.2g}"
            self._keys[name][1].set_text(f"{_WORDS[name]}: {number}")
        self._winners.set_data([shown.size] * len(best), [here[name] for name in best])
        last = shown.ratios["global"][-1]
        self._beyond.set_text(f"↑ global × {last:.2g}" if last > _MOST else "")

    def _draw_weights(self, shown: Comparison) -> None:
        self._weights_title.set_text(
            f"weights: {shown.clients}, similarity {shown.similarity:g}, {shown.size} examples"
        )
        self._truth.set_data(*shown.truth.T)
        self._global.set_data(*shown.learned["global"][:1].T)
        for part, name in (("local", "local"), ("between", shown.between)):
            found, look = shown.learned[name], _mark(name)
            ends = np.stack([shown.truth, found, np.full_like(found, np.nan)], axis=1)
            self._ways[part].set_data(*ends.reshape(-1, 2).T)
            self._ways[part].set_color(look["color"])
            self._found[part].set_data(*found.T)
            self._found[part].set(color=look["color"], marker=look["marker"])
        for name in ("ditto", "mocha"):
            for artist in self._weight_keys[name]:
                artist.set_visible(name == shown.between)


def _mark(name: str) -> dict[str, Any]:
    return _LOOKS[name] | {"linestyle": ""}


def _key(axes: Axes, at: tuple[float, float], look: dict[str, Any], words: str = "") -> Any:
    """Return the line and the text of an entry above the axes."""
    x, y = at
    where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "markevery": [1]}
    (line,) = axes.plot([x, x + 0.045, x + 0.09], [y] * 3, **look, **where)
    text = axes.text(x + 0.11, y, words, transform=axes.transAxes, va="center")
    return line, text
