"""The explorers of the chapter *Distributed optimization*."""

from mlsys_lib.explorers.distributed_optimization.batches import batches_explorer
from mlsys_lib.explorers.distributed_optimization.gap import gap_explorer
from mlsys_lib.explorers.distributed_optimization.rates import rates_explorer
from mlsys_lib.explorers.distributed_optimization.time_to_accuracy import (
    time_to_accuracy_explorer,
)

__all__ = [
    "batches_explorer",
    "gap_explorer",
    "rates_explorer",
    "time_to_accuracy_explorer",
]
