"""The explorers of the chapter *Federated learning*."""

from mlsys_lib.explorers.federated_learning.drift import drift_explorer
from mlsys_lib.explorers.federated_learning.fairness import fairness_explorer
from mlsys_lib.explorers.federated_learning.one_or_many import one_or_many_explorer
from mlsys_lib.explorers.federated_learning.stragglers import stragglers_explorer

__all__ = [
    "drift_explorer",
    "fairness_explorer",
    "one_or_many_explorer",
    "stragglers_explorer",
]
