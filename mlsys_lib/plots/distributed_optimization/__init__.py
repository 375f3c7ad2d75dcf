"""The figures of the chapter *Distributed optimization*."""

from mlsys_lib.plots.distributed_optimization.batches import Batches, BatchesPlot, count
from mlsys_lib.plots.distributed_optimization.gap import Certificate, GapPlot, Way
from mlsys_lib.plots.distributed_optimization.rates import Curve, Rates, RatesPlot
from mlsys_lib.plots.distributed_optimization.time_to_accuracy import (
    Path,
    TimePlot,
    TimeToAccuracy,
)

__all__ = [
    "Batches",
    "BatchesPlot",
    "Certificate",
    "Curve",
    "GapPlot",
    "Path",
    "Rates",
    "RatesPlot",
    "TimePlot",
    "TimeToAccuracy",
    "Way",
    "count",
]
