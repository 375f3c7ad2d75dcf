"""The figures of the chapter *Distributed trees*."""

from mlsys_lib.plots.distributed_trees.frontier import Frontier, FrontierPlot, Setting
from mlsys_lib.plots.distributed_trees.growing import Cut, GrowingPlot, Growth, Region
from mlsys_lib.plots.distributed_trees.map import Case, MapPlot, TrafficMap

__all__ = [
    "Case",
    "Cut",
    "Frontier",
    "FrontierPlot",
    "GrowingPlot",
    "Growth",
    "MapPlot",
    "Region",
    "Setting",
    "TrafficMap",
]
