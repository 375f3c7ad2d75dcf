"""The figures of the chapter *Federated learning*."""

from mlsys_lib.plots.federated_learning.drift import Descent, Drift, DriftPlot
from mlsys_lib.plots.federated_learning.fairness import FairnessPlot
from mlsys_lib.plots.federated_learning.one_or_many import Comparison, OneOrManyPlot
from mlsys_lib.plots.federated_learning.outcomes import Fairness, Outcome
from mlsys_lib.plots.federated_learning.stragglers import (
    StragglersPlot,
    Straggling,
    Training,
)

__all__ = [
    "Comparison",
    "Descent",
    "Drift",
    "DriftPlot",
    "Fairness",
    "FairnessPlot",
    "OneOrManyPlot",
    "Outcome",
    "StragglersPlot",
    "Straggling",
    "Training",
]
