"""The explorers of the chapter *Gradient compression*."""

from mlsys_lib.explorers.gradient_compression.bits import bits_explorer
from mlsys_lib.explorers.gradient_compression.budget import budget_explorer
from mlsys_lib.explorers.gradient_compression.wire import wire_explorer

__all__ = ["bits_explorer", "budget_explorer", "wire_explorer"]
