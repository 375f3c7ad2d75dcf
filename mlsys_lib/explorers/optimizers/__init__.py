"""The explorers of the chapter *Optimizers for deep learning*."""

from mlsys_lib.explorers.optimizers.batch_norm import batch_norm_explorer
from mlsys_lib.explorers.optimizers.correction import correction_explorer
from mlsys_lib.explorers.optimizers.landscape import landscape_explorer

__all__ = ["batch_norm_explorer", "correction_explorer", "landscape_explorer"]
