"""PLANET: rows are partitioned, and histograms travel.

Panda, Herbach, Basu & Bayardo, "PLANET: massively parallel learning of tree ensembles with
MapReduce", PVLDB 2(2), 2009, doi:10.14778/1687553.1687569.

Each rank counts the histograms of its own rows, an all-reduce or a reduce-scatter adds them up, and
every rank then routes its rows by the same splits. No rank is special, and small nodes are grown
like all others. `controller` has the paper's own form: mappers that send to reducers, a controller
that picks the splits, and small nodes that are built in memory.
"""

from collections.abc import Callable

import numpy as np

from mlsys_lib.comm import Communicator
from mlsys_lib.distributed_trees.bins import Bins
from mlsys_lib.distributed_trees.combine import ByAllReduce, Combine
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.histogram_tree import grow_histogram_tree
from mlsys_lib.distributed_trees.tree import Tree


def planet_tree(
    comm: Communicator,
    codes: np.ndarray,
    stats: np.ndarray,
    bins: Bins,
    criterion: Criterion,
    max_depth: int,
    *,
    min_weight: float = 1.0,
    subtract: bool = True,
    combine: Callable[[Communicator], Combine] = ByAllReduce,
) -> Tree:
    """Grow a tree on rows that lie on all ranks.

    Parameters
    ----------
    comm : Communicator
    codes : ndarray of shape (n_r, d)
        This rank's rows, as `bins` encodes them; n_r may be 0.
    stats : ndarray of shape (n_r, c)
        Their statistics, as `common_grid` rounds them.
    bins : Bins
        The same on every rank, such as `common_bins` gives.
    criterion, max_depth, min_weight, subtract
        As in `grow_histogram_tree`.
    combine : callable
        How histograms are added up: `ByAllReduce`, `ByReduceScatter`, or a function that makes one
        of them from `comm`.

    Returns
    -------
    Tree
        On every rank the same, and the same as `grow_histogram_tree` grows from all rows.

    Notes
    -----
    See `planet_bytes`: once a level, d h c numbers for each node that is counted.
    """
    return grow_histogram_tree(
        codes,
        stats,
        bins,
        criterion,
        max_depth,
        min_weight=min_weight,
        subtract=subtract,
        combine=combine(comm),
    )
