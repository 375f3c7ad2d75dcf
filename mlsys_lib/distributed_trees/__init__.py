"""Distributed trees: the same tree, whether rows or columns lie on many machines.

`histogram_tree` and `exact_tree` grow on one machine, and are the oracles. `planet` partitions rows
and sends histograms; `yggdrasil` partitions columns and sends a bit for each row. `cost` says what
either sends.
"""

from mlsys_lib.distributed_trees.agreement import common_bins, common_grid
from mlsys_lib.distributed_trees.bins import Bins, exact_bins
from mlsys_lib.distributed_trees.controller import controller_tree
from mlsys_lib.distributed_trees.criterion import Criterion, Entropy, Gini, Newton, Variance
from mlsys_lib.distributed_trees.dealing import deal_columns, deal_rows
from mlsys_lib.distributed_trees.exact_sums import on_grid, steps
from mlsys_lib.distributed_trees.exact_tree import grow_exact_tree
from mlsys_lib.distributed_trees.histogram_tree import grow_histogram_tree
from mlsys_lib.distributed_trees.planet import planet_tree
from mlsys_lib.distributed_trees.sketch import QuantileSketch
from mlsys_lib.distributed_trees.tree import Tree
from mlsys_lib.distributed_trees.voting import voting_tree
from mlsys_lib.distributed_trees.yggdrasil import yggdrasil_tree

__all__ = [
    "Bins",
    "Criterion",
    "Entropy",
    "Gini",
    "Newton",
    "QuantileSketch",
    "Tree",
    "Variance",
    "common_bins",
    "common_grid",
    "controller_tree",
    "deal_columns",
    "deal_rows",
    "exact_bins",
    "grow_exact_tree",
    "grow_histogram_tree",
    "on_grid",
    "planet_tree",
    "steps",
    "voting_tree",
    "yggdrasil_tree",
]
