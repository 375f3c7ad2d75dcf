"""The three explorers of the chapter *Collectives*."""

from mlsys_lib.explorers.collectives.race import race_explorer
from mlsys_lib.explorers.collectives.ring import ring_explorer
from mlsys_lib.explorers.collectives.straggler import straggler_explorer

__all__ = ["race_explorer", "ring_explorer", "straggler_explorer"]
