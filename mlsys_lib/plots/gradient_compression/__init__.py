"""The figures of the chapter *Gradient compression*."""

from mlsys_lib.plots.gradient_compression.bits import Bits, BitsPlot, Setting
from mlsys_lib.plots.gradient_compression.budget import Bar, Budget, BudgetPlot
from mlsys_lib.plots.gradient_compression.wire import Method, Wire, WirePlot

__all__ = [
    "Bar",
    "Bits",
    "BitsPlot",
    "Budget",
    "BudgetPlot",
    "Method",
    "Setting",
    "Wire",
    "WirePlot",
]
