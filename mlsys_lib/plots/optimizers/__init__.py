"""The figures of the chapter *Optimizers for deep learning*."""

from mlsys_lib.plots.optimizers.batch_norm import Normalization, NormalizationPlot
from mlsys_lib.plots.optimizers.correction import Correction, CorrectionPlot
from mlsys_lib.plots.optimizers.landscape import LandscapePlot, Valley, Walk

__all__ = [
    "Correction",
    "CorrectionPlot",
    "LandscapePlot",
    "Normalization",
    "NormalizationPlot",
    "Valley",
    "Walk",
]
