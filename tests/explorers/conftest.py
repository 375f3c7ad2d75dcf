"""Two small explorers: two panels with 64 positions, and a step that depends on the workers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.figure import Figure

from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.plots.style import BLUE, INK, ORANGE, SKY, panel


@dataclass(frozen=True)
class Wave:
    """A sine wave and the power of its first harmonics."""

    amplitude: float
    frequency: int
    values: np.ndarray


@dataclass(frozen=True)
class Turn:
    """Which of the workers holds the token."""

    workers: int
    step: int


def make_wave(amplitude: float, frequency: int) -> Wave:
    """Sample one wave."""
    time = np.linspace(0, 1, 60)
    return Wave(amplitude, frequency, amplitude * np.sin(2 * np.pi * frequency * time))


class WavePlot:
    """A curve in one panel, bars in the other."""

    def __init__(self) -> None:
        self.left, axes = panel(xlim=(0, 60), ylim=(-9, 9), title="signal", ylabel="volts")
        (self.curve,) = axes.plot([], [], color=BLUE, marker="", linestyle="-")
        self.right, axes = panel(ylim=(0, 40), title="power", xlabel="cycles")
        self.bars = axes.bar(range(1, 9), [0] * 8, color=SKY, edgecolor=INK, hatch="//")
        self.label = axes.text(1, 36, "", color=ORANGE)

    def draw(self, wave: Wave) -> tuple[Figure, Figure]:
        """Move the curve and the bars."""
        self.curve.set_data(range(60), wave.values)
        for number, bar in enumerate(self.bars, start=1):
            bar.set_height(wave.amplitude**2 / 2 if number == wave.frequency else 0)
        self.label.set_text(f"a < {wave.amplitude + 1:g} & f = {wave.frequency}")
        return self.left, self.right


class TurnPlot:
    """One dot a worker; the holder's is large. Its artists come and go with the workers."""

    def __init__(self) -> None:
        self.figure, self.axes = panel(xlim=(-1, 8), ylim=(-1, 1))
        self.dots = self.axes.scatter([0], [0], color=BLUE)
        self.title = self.axes.set_title("")

    def draw(self, turn: Turn) -> Figure:
        """Place the dots."""
        self.dots.set_offsets([(rank, 0) for rank in range(turn.workers)])
        holder = turn.step % turn.workers
        self.dots.set_sizes([200 if rank == holder else 30 for rank in range(turn.workers)])
        self.title.set_text(f"step {turn.step} of {turn.workers}")
        return self.figure


def wave_explorer() -> Explorer:
    """64 positions, two panels."""
    return Explorer(
        name="wave",
        title="A wave & its power",
        compute=make_wave,
        plot=WavePlot,
        controls=(
            Control("amplitude", tuple(range(1, 9)), default=3, unit="V", format=".1f"),
            Control("frequency", tuple(range(1, 9)), default=2, label="cycles"),
        ),
        describe=lambda wave: f'A wave of "{wave.amplitude}" volts, {wave.frequency} cycles.',
        table=lambda wave: (("time", "volts"), list(enumerate(wave.values[:5].tolist()))),
    )


def turn_explorer(compute: Callable[..., Turn] = Turn) -> Explorer:
    """The last step depends on the number of workers; 3 + 5 + 8 positions."""
    return Explorer(
        name="turn",
        title="Whose turn it is",
        compute=compute,
        plot=TurnPlot,
        controls=(
            Control("workers", (2, 4, 7), default=4),
            Control("step", lambda workers: range(workers + 1), default=1, play=True),
        ),
        describe=lambda turn: f"Worker {turn.step % turn.workers} of {turn.workers} holds it.",
        table=lambda turn: (("rank", "<holds>"), [(r, r == turn.step) for r in range(2)]),
    )


@pytest.fixture
def wave() -> Explorer:
    """Two panels, 64 positions."""
    return wave_explorer()


@pytest.fixture
def turn() -> Explorer:
    """A dependent step with a play button."""
    return turn_explorer()


@pytest.fixture
def turn_of() -> Callable[[Callable[..., Turn]], Explorer]:
    """The turn explorer around another computation."""
    return turn_explorer
