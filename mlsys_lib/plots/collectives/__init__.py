"""The figures of the chapter *Collectives*."""

from mlsys_lib.plots.collectives.batches import batches_figure
from mlsys_lib.plots.collectives.race import Race, RacePlot, round_to_two_digits, size_name
from mlsys_lib.plots.collectives.ring import Move, RingPlot, RingState, chunk_name
from mlsys_lib.plots.collectives.straggler import Straggler, StragglerPlot
from mlsys_lib.plots.collectives.timeline import timeline_figure
from mlsys_lib.plots.collectives.traffic import bytes_figure

__all__ = [
    "Move",
    "Race",
    "RacePlot",
    "RingPlot",
    "RingState",
    "Straggler",
    "StragglerPlot",
    "batches_figure",
    "bytes_figure",
    "chunk_name",
    "round_to_two_digits",
    "size_name",
    "timeline_figure",
]
