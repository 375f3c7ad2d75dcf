"""The explorer that is measured: two panels, 64 positions, five curves and nine bars."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.plots.style import INK, SKY, panel, power_of_ten, style

WORKERS = 2 ** np.arange(1, 17)
SIZES_BYTES = tuple(10**power for power in range(3, 11))
LATENCIES_S = (1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4)
SECONDS_PER_BYTE = 1e-10
NAMES = ("naive", "tree", "doubling", "ring", "halving")


@dataclass(frozen=True)
class Race:
    """Seconds that each all-reduce takes: shape (5, 16), an algorithm by a number of workers."""

    size_bytes: int
    latency_s: float
    times_s: np.ndarray


def race(size_bytes: int, latency_s: float) -> Race:
    """Evaluate the cost models."""
    p, log_p = WORKERS, np.log2(WORKERS)
    sent_s = size_bytes * SECONDS_PER_BYTE
    times = [
        2 * (p - 1) * (latency_s + sent_s),
        2 * log_p * (latency_s + sent_s),
        log_p * (latency_s + sent_s),
        2 * (p - 1) * (latency_s + sent_s / p),
        2 * log_p * latency_s + 2 * sent_s * (p - 1) / p,
    ]
    return Race(size_bytes, latency_s, np.array(times))


class RacePlot:
    """All times over the number of workers, and the times at 64 workers as bars."""

    def __init__(self) -> None:
        self.curves_figure, axes = panel(
            xscale="log",
            yscale="log",
            xlim=(2, 70_000),
            ylim=(1e-6, 1e4),
            xlabel="workers",
            ylabel="seconds",
            title="time",
        )
        with style():
            self.curves = [axes.plot([], [], label=name)[0] for name in NAMES]
            axes.legend(loc="upper left")
        self.bars_figure, axes = panel(xlim=(-4, 4), title="at 64 workers")
        with style():
            self.bars = axes.barh(range(5), [0] * 5, left=-4, color=SKY, edgecolor=INK, hatch="//")
            self.labels = [axes.text(0, row, "", va="center") for row in range(5)]
        axes.set_xticks(range(-4, 5, 2), [power_of_ten(10.0**k) for k in range(-4, 5, 2)])
        axes.set_yticks(range(5), NAMES)

    def draw(self, result: Race) -> tuple[Figure, Figure]:
        """Move curves, bars and labels."""
        for curve, times_s in zip(self.curves, result.times_s, strict=True):
            curve.set_data(WORKERS, times_s)
        for bar, label, time_s in zip(self.bars, self.labels, result.times_s[:, 5], strict=True):
            end = float(np.clip(np.log10(time_s), -4, 2))
            bar.set_width(end + 4)
            label.set_x(end + 0.1)
            label.set_text(f"{time_s:.2g} s")
        return self.curves_figure, self.bars_figure


def explorer() -> Explorer:
    """Return the explorer with 64 positions."""
    return Explorer(
        name="race",
        title="A race of five algorithms",
        compute=race,
        plot=RacePlot,
        controls=(
            Control("size_bytes", SIZES_BYTES, default=10**6, label="message", unit="bytes"),
            Control("latency_s", LATENCIES_S, default=1e-5, label="latency", unit="s"),
        ),
        describe=lambda r: f"{r.size_bytes} bytes: {NAMES[r.times_s[:, 5].argmin()]} is fastest.",
        table=lambda r: (
            ("workers", *NAMES),
            [(int(p), *row) for p, row in zip(WORKERS, r.times_s.T.tolist(), strict=True)],
        ),
    )
