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

from mlsys_lib.collectives import ring_all_gather, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer
from mlsys_lib.distributed_trees.bins import MAX_BINS, Bins, edges_of
from mlsys_lib.distributed_trees.combine import ByAllReduce, Combine
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.exact_sums import on_grid, steps
from mlsys_lib.distributed_trees.histogram_tree import grow_histogram_tree
from mlsys_lib.distributed_trees.sketch import QuantileSketch
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
    codes : ndarray of shape (n_r, k)
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
    See `planet_bytes`: once a level, k B c numbers for each node that is counted.
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


def common_grid(comm: Communicator, stats: np.ndarray) -> np.ndarray:
    """Round this rank's statistics so that sums over all ranks' rows are exact.

    Parameters
    ----------
    stats : ndarray of shape (n_r, c)

    Raises
    ------
    ValueError
        If a statistic is NaN or infinite; before any message.

    Notes
    -----
    Two all-reduces, of c numbers and of one.
    """
    largest = np.abs(stats).max(axis=0, initial=0.0)
    steps(largest, len(stats))
    num_rows = ring_all_reduce(comm, np.array([float(len(stats))]))
    step = steps(ring_all_reduce(comm, largest, op="max"), int(num_rows[0]))
    return on_grid(stats, step)


def common_bins(
    comm: Communicator, X: np.ndarray, num_bins: int, *, capacity: int | None = None
) -> Bins:
    """Cut each column into bins of about equal weight, though no rank has a whole column.

    Parameters
    ----------
    X : ndarray of shape (n_r, k)
        This rank's rows, numbers; NaN is missing.
    num_bins : int
    capacity : int, optional
        Of each column's `QuantileSketch`; 8 times `num_bins` by default.

    Returns
    -------
    Bins
        On every rank the same. Which quantiles are found depends, within the sketch's `rank_error`,
        on how rows are dealt out.

    Notes
    -----
    Two all-gathers: of the sketches' sizes, and of the sketches, padded to the largest.
    """
    integer("num_bins", num_bins, 2, MAX_BINS)
    capacity = capacity or 8 * num_bins
    own = [QuantileSketch(capacity).add(column).to_array() for column in X.T]
    sizes = ring_all_gather(comm, np.array([len(array) for array in own], np.int64))
    flat = np.zeros(int(sizes.sum(axis=1).max()))
    flat[: int(sizes[comm.rank].sum())] = np.concatenate(own)
    gathered = ring_all_gather(comm, flat)
    edges = []
    ends = np.cumsum(sizes, axis=1)
    for f in range(X.shape[1]):
        merged = QuantileSketch(capacity)
        for rank in range(comm.world_size):
            sent = gathered[rank, ends[rank, f] - sizes[rank, f] : ends[rank, f]]
            merged.merge(QuantileSketch.from_array(sent, capacity))
        values, weights = merged.weighted_values()
        distinct, first = np.unique(values, return_index=True)
        total = np.add.reduceat(weights, first) if len(first) else weights
        edges.append(edges_of(distinct, total, num_bins))
    return Bins(tuple(edges), np.zeros(X.shape[1], bool))
