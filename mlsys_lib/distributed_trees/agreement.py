"""What ranks agree on before the first tree: where bins end, and the grid of their sums.

No rank has all rows, so each takes a few messages. They are small: what is told of a column grows
with the logarithm of n, or with its categories.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.collectives import ring_all_gather, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer
from mlsys_lib.distributed_trees.bins import (
    MAX_BINS,
    Bins,
    categories_of,
    edges_of,
    require_no_infinity,
)
from mlsys_lib.distributed_trees.exact_sums import on_grid, steps
from mlsys_lib.distributed_trees.sketch import QuantileSketch


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
    steps(largest, 1)
    num_rows = ring_all_reduce(comm, np.array([float(len(stats))]))
    step = steps(ring_all_reduce(comm, largest, op="max"), int(num_rows[0]))
    return on_grid(stats, step)


def common_bins(
    comm: Communicator,
    X: np.ndarray,
    num_bins: int,
    *,
    categorical: Sequence[int] = (),
    capacity: int | None = None,
) -> Bins:
    """Cut each column into bins of about equal weight, though no rank has a whole column.

    Parameters
    ----------
    X : ndarray of shape (n_r, d)
        This rank's rows; NaN is missing.
    num_bins : int
        At most; fewer where a column has fewer distinct values.
    categorical : sequence of int
        Columns whose values are names and have no order.
    capacity : int, optional
        Values that a rank tells of a column without loss, and what its `QuantileSketch` holds on a
        level if there are more; 8 times `num_bins` by default. All categories are told.

    Returns
    -------
    Bins
        On every rank the same. Of a column with at most `capacity` distinct values on every rank
        they are those of `exact_bins`. Of others they depend, within the sketches' `rank_error`, on
        how rows are dealt out.

    Notes
    -----
    Two all-gathers: of how many values each rank tells of each column, and of the values with their
    weights, padded to the rank with most.
    """
    integer("num_bins", num_bins, 2, MAX_BINS)
    capacity = 8 * num_bins if capacity is None else integer("capacity", capacity, 2)
    require_no_infinity(X)
    is_categorical = np.isin(np.arange(X.shape[1]), categorical)
    own = [
        _summary(x, len(x) if names else capacity)
        for x, names in zip(X.T, is_categorical, strict=True)
    ]
    sizes = ring_all_gather(comm, np.array([len(told) for told in own], np.int64))
    padded = np.zeros((int(sizes.sum(axis=1).max()), 2))
    padded[: int(sizes[comm.rank].sum())] = np.concatenate(own)
    every = ring_all_gather(comm, padded)
    ends = np.cumsum(sizes, axis=1)
    edges = []
    for f, names in enumerate(is_categorical):
        told = [every[r, ends[r, f] - sizes[r, f] : ends[r, f]] for r in range(comm.world_size)]
        value, weight = np.concatenate(told).T
        distinct, which = np.unique(value, return_inverse=True)
        total = np.bincount(which, weight, len(distinct))
        edges.append(categories_of(f, distinct) if names else edges_of(distinct, total, num_bins))
    return Bins(tuple(edges), is_categorical)


def _summary(x: np.ndarray, capacity: int) -> np.ndarray:
    """Return rows of a value and how many it stands for: exact if there are few values."""
    distinct, counts = np.unique(x[~np.isnan(x)], return_counts=True)
    if len(distinct) > capacity:
        distinct, counts = QuantileSketch(capacity).add(x).weighted_values()
    return np.column_stack([distinct, counts])
