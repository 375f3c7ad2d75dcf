"""Client drift: how near the minimum for each number of local epochs, and what the clients hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mlsys_lib.plots.collectives.race import spread
from mlsys_lib.plots.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, panel

_SIZE = (4.4, 3.8)
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-"},
    {"color": GREEN, "linestyle": "-."},
    {"color": PURPLE, "linestyle": ":"},
    {"color": ORANGE, "linestyle": "--"},
)
_GAP_LIMITS = (1.5e-3, 2.0)
_PALE, _ABSENT = 0.65, 0.3
_CELL = 12.5  # points: the side of the square of a client that has one class only
LATE = 10
"""Rounds at the end over which we say where a run stays."""


@dataclass(frozen=True)
class Descent:
    """A run of FedAvg.

    Attributes
    ----------
    local_epochs : int
        E.
    gaps : tuple of float
        f(w) - f* before the first round and after each.
    right : float
        Share of the test images that the last model names right.
    """

    local_epochs: int
    gaps: tuple[float, ...]
    right: float

    @property
    def num_rounds(self) -> int:
        """T."""
        return len(self.gaps) - 1

    @property
    def end(self) -> float:
        """The median gap of the last rounds."""
        return float(np.median(self.gaps[-LATE:]))

    @property
    def late_range(self) -> tuple[float, float]:
        """The smallest and the largest gap of the last rounds."""
        return min(self.gaps[-LATE:]), max(self.gaps[-LATE:])

    def rounds_to(self, target: float) -> int | None:
        """Return the rounds after which the gap is first at most `target`; None if it never is."""
        return next((done for done, gap in enumerate(self.gaps) if gap <= target), None)


@dataclass(frozen=True)
class Drift:
    """Runs for each number of local epochs, one of them chosen, and the split they share.

    Attributes
    ----------
    concentration : float
        Of the Dirichlet distribution that the clients' mixtures of classes come from.
    client_fraction : float
        C.
    chosen : int
        The E that is looked at.
    descents : mapping of int to Descent
        By E.
    target : float
        Of f(w) - f*.
    classes : tuple of str
    counts : tuple of tuple of int
        Of each client how many images of each class.
    first_sample : tuple of int
        Who takes part in the first round.
    """

    concentration: float
    client_fraction: float
    chosen: int
    descents: Mapping[int, Descent]
    target: float
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    first_sample: tuple[int, ...]

    @property
    def descent(self) -> Descent:
        """The run that is looked at."""
        return self.descents[self.chosen]

    @property
    def nearest(self) -> int:
        """The E whose run stays nearest to the minimum."""
        return min(self.descents, key=lambda epochs: self.descents[epochs].end)

    @property
    def num_classes_held(self) -> int:
        """How many classes make up nine tenths of the images of a client: the lower median."""
        shares = -np.sort(-np.array(self.counts), axis=1) / np.sum(self.counts, axis=1)[:, None]
        held = np.sum(np.cumsum(shares, axis=1) < 0.9 - 1e-9, axis=1) + 1
        return int(np.quantile(held, 0.5, method="lower"))


class DriftPlot:
    """Gaps against rounds on the left; on the right the classes of each client.

    Parameters
    ----------
    all_epochs : tuple of int
        The numbers of local epochs; four of them.
    num_rounds, num_clients : int
    classes : tuple of str
    """

    def __init__(
        self,
        all_epochs: tuple[int, ...],
        num_rounds: int,
        num_clients: int,
        classes: tuple[str, ...],
    ) -> None:
        self._looks = dict(zip(all_epochs, _LOOKS, strict=True))
        self._make_gaps(num_rounds)
        self._make_split(num_clients, classes)

    def _make_gaps(self, num_rounds: int) -> None:
        self._gaps, axes = panel(
            _SIZE, yscale="log", xlim=(0, num_rounds), ylim=_GAP_LIMITS, xlabel="rounds"
        )
        axes.set_position((0.105, 0.125, 0.615, 0.72))
        axes.xaxis.set_label_coords(0.5, -0.09)
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        self._title = axes.set_title("", x=-0.155, y=1.1)
        self._verdict = axes.text(-0.155, 1.05, "", transform=axes.transAxes, va="center")
        (self._target,) = axes.plot([], [], color=MUTED, ls="-", lw=0.8, marker="")
        self._pale = {}
        for epochs, look in self._looks.items():
            pale = look | {"color": to_rgba(look["color"], _PALE), "linewidth": 1.3}
            (self._pale[epochs],) = axes.plot([], [], **pale, marker="")
        (self._strong,) = axes.plot([], [], lw=2.8, marker="", zorder=4)
        (self._reached,) = axes.plot(
            [], [], ls="", color=INK, marker="o", ms=9, fillstyle="none", zorder=5
        )
        self._make_names(axes)

    def _make_names(self, axes: Axes) -> None:
        """Prepare the names at the ends of the lines, and what leads to them."""
        head = f"last {LATE} rounds,\nmedian"
        axes.text(1.07, -0.02, head, transform=axes.transAxes, va="top", fontsize=8.5)
        self._leaders, self._names = {}, {}
        for epochs, look in self._looks.items():
            line = {"color": look["color"], "ls": "-", "lw": 0.8, "marker": "", "clip_on": False}
            (self._leaders[epochs],) = axes.plot([], [], transform=axes.transAxes, **line)
            self._names[epochs] = axes.text(
                1.07, 0, "", transform=axes.transAxes, va="center", fontsize=8.5
            )

    def _make_split(self, num_clients: int, classes: tuple[str, ...]) -> None:
        self._split, axes = panel(
            _SIZE, xlim=(0.3, num_clients + 0.7), ylim=(len(classes) - 0.4, -0.6)
        )
        axes.set_position((0.175, 0.125, 0.815, 0.72))
        axes.set_xlabel("client (strong: takes part in the first round)")
        axes.xaxis.set_label_coords(0.42, -0.09)
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xticks([1, *range(5, num_clients + 1, 5)])
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        self._split_title = axes.set_title("", x=-0.2, y=1.1)
        self._holds = axes.text(-0.2, 1.05, "", transform=axes.transAxes, va="center")
        client, row = np.meshgrid(np.arange(1, num_clients + 1), np.arange(len(classes)))
        self._squares = axes.scatter(client.ravel(), row.ravel(), s=0, marker="s", linewidths=0)

    def draw(self, shown: Drift) -> tuple[Figure, Figure]:
        """Show one position."""
        self._draw_gaps(shown)
        self._draw_names(shown)
        self._draw_split(shown)
        return self._gaps, self._split

    def _draw_gaps(self, shown: Drift) -> None:
        self._title.set_text(
            f"f(w) − f*: concentration {shown.concentration:g}, C = {shown.client_fraction:g}"
        )
        self._verdict.set_text(verdict(shown))
        num_rounds = shown.descent.num_rounds
        self._target.set_data([0, num_rounds], [shown.target] * 2)
        rounds = range(num_rounds + 1)
        for epochs, descent in shown.descents.items():
            self._pale[epochs].set_data(rounds, descent.gaps)
        self._strong.set(**self._looks[shown.chosen])
        self._strong.set_data(rounds, shown.descent.gaps)
        done = shown.descent.rounds_to(shown.target)
        at = [] if done is None else [done]
        self._reached.set_data(at, [shown.descent.gaps[done] for done in at])

    def _draw_names(self, shown: Drift) -> None:
        low, high = np.log(_GAP_LIMITS)
        heights, last = {}, {}
        for epochs, descent in shown.descents.items():
            last[epochs] = float((np.log(descent.gaps[-1]) - low) / (high - low))
            heights[str(epochs)] = float(np.clip(last[epochs], 0.03, 0.95))
        for name, height in spread(heights, gap=0.075).items():
            epochs = int(name)
            self._leaders[epochs].set_data([1.0, 1.06], [last[epochs], height])
            text = f"E = {epochs}: {shown.descents[epochs].end:.2g}"
            weight = "bold" if epochs == shown.chosen else "normal"
            self._names[epochs].set(text=text, y=height, fontweight=weight)

    def _draw_split(self, shown: Drift) -> None:
        num = len(shown.first_sample)
        self._split_title.set_text(
            f"images of each class: {num} of {len(shown.counts)} clients a round"
        )
        self._holds.set_text(f"typical client: nine tenths in {shown.num_classes_held} classes")
        counts = np.array(shown.counts)
        shares = counts / counts.sum(axis=1, keepdims=True)
        self._squares.set_sizes(_CELL**2 * shares.T.ravel())
        present = np.isin(np.arange(len(counts)), shown.first_sample)
        colors = [to_rgba(BLUE, 1.0 if there else _ABSENT) for there in present]
        self._squares.set_facecolor(colors * len(shown.classes))


def verdict(shown: Drift) -> str:
    """Say how soon the chosen run is near the minimum, and where it stays."""
    descent = shown.descent
    rounds, (low, high) = descent.rounds_to(shown.target), descent.late_range
    word = "1 round" if rounds == 1 else f"{rounds} rounds"
    reached = "never" if rounds is None else f"after {word}"
    late = f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
    return f"E = {shown.chosen}: ≤ {shown.target:g} {reached}, last {LATE} rounds {late}"
