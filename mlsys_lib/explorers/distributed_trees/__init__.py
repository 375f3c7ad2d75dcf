"""The explorers of the chapter *Distributed trees*."""

from mlsys_lib.explorers.distributed_trees.frontier import frontier_explorer
from mlsys_lib.explorers.distributed_trees.growing import growing_explorer
from mlsys_lib.explorers.distributed_trees.map import map_explorer

__all__ = ["frontier_explorer", "growing_explorer", "map_explorer"]
