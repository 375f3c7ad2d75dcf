"""Yggdrasil: columns are partitioned, and one bit for each row travels.

Abuzaid, Bradley, Liang, Feng, Yang, Zaharia & Talwalkar, "Yggdrasil: an optimized system for
training deep decision trees at scale", NeurIPS 2016.

A rank has all rows of some columns, so it scores their cuts alone and exactly, without bins. Ranks
tell each other the best cut of each node, a few numbers. The rank that owns the winning column then
tells which of the node's rows go left: one bit each. In the paper a master gathers the cuts; here
a tree of ranks does, in which the better of two cuts goes on. Their sorted columns are run-length
encoded; ours of few values are a byte for each row (`columns`).
"""

import numpy as np

from mlsys_lib.collectives import tree_all_reduce, tree_broadcast
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, non_negative
from mlsys_lib.distributed_trees.columns import Columns, Cuts
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.exact_tree import GrowingTree
from mlsys_lib.distributed_trees.histogram_tree import MAX_DEPTH
from mlsys_lib.distributed_trees.splits import better_rows
from mlsys_lib.distributed_trees.tree import Tree


def yggdrasil_tree(
    comm: Communicator,
    X: np.ndarray | Columns,
    stats: np.ndarray,
    features: np.ndarray,
    criterion: Criterion,
    max_depth: int,
    *,
    min_weight: float = 1.0,
    leaf: np.ndarray | None = None,
) -> Tree:
    """Grow a tree on columns that lie on all ranks.

    Parameters
    ----------
    comm : Communicator
    X : ndarray of shape (n, d_r)
        This rank's columns of all rows; d_r may be 0. NaN is missing. Columns that were sorted
        before, as `Columns`, serve many trees.
    stats : ndarray of shape (n, c)
        All rows' statistics, the same on every rank, on a grid (`exact_sums`).
    features : ndarray of shape (d_r,), int64
        What these columns are called; no two ranks have the same.
    criterion, max_depth, min_weight
        As in `grow_exact_tree`.
    leaf : ndarray of shape (n,), int64, optional
        Overwritten with the leaf of each row, which every rank knows in the end.

    Returns
    -------
    Tree
        On every rank the same, and the same as `grow_exact_tree` grows from all columns.

    Notes
    -----
    See `yggdrasil_bytes`: for each level an all-reduce of 5 + c numbers a node, and a broadcast of
    one bit for each row from each rank that owns a winning column.
    """
    integer("max_depth", max_depth, 0, MAX_DEPTH)
    non_negative("min_weight", min_weight)
    columns = X if isinstance(X, Columns) else Columns(X, np.asarray(features, np.int64))
    if columns.num_rows != len(stats):
        raise ValueError(f"stats must have a row for each of {columns.num_rows}, got {len(stats)}")
    growing = GrowingTree(criterion, [stats.sum(axis=0)])
    slot, level = np.zeros(len(stats), np.int64), [0]
    leaf = np.empty(len(stats), np.int64) if leaf is None else leaf
    leaf[:] = 0
    for depth in range(1, max_depth + 1):
        whole = np.array([growing.stats[node] for node in level])
        cuts, owner = _best_of_all(comm, columns.best(stats, slot, whole, criterion, min_weight))
        chosen = np.flatnonzero(np.isfinite(cuts.gain))
        if not chosen.size:
            break
        slot = _exchange_bits(comm, columns, cuts, owner, slot, chosen)
        level = [child for i in chosen for child in growing.split(level[i], cuts, i, depth)]
        leaf[slot >= 0] = np.array(level)[slot[slot >= 0]]
    return growing.tree()


def _best_of_all(comm: Communicator, own: Cuts) -> tuple[Cuts, np.ndarray]:
    """Return each node's best cut over all ranks, and the rank that owns its column."""
    rank = np.full(len(own.gain), comm.rank)
    rows = np.column_stack([own.gain, own.feature, own.threshold, own.missing_left, rank, own.left])
    best = tree_all_reduce(comm, rows, better_rows)
    cuts = Cuts(best[:, 0], best[:, 1], best[:, 2], best[:, 3] > 0, best[:, 5:])
    return cuts, best[:, 4].astype(np.int64)


def _exchange_bits(
    comm: Communicator,
    columns: Columns,
    cuts: Cuts,
    owner: np.ndarray,
    slot: np.ndarray,
    chosen: np.ndarray,
) -> np.ndarray:
    """Return each row's node in the next level, which owners of columns tell."""
    next_slot = np.full(len(slot), -1)
    place = np.full(len(cuts.gain), -1)
    place[chosen] = np.arange(len(chosen))
    for rank in np.unique(owner[chosen]):
        won = chosen[owner[chosen] == rank]  # nodes that its columns split
        rows = np.flatnonzero(np.isin(slot, won))
        bits = np.zeros(len(rows), bool)
        if comm.rank == rank:
            bits = _who_goes_left(columns, cuts, slot, rows)
        packed = tree_broadcast(comm, np.packbits(bits), root=int(rank))
        goes_left = np.unpackbits(packed, count=len(rows)).astype(bool)
        next_slot[rows] = 2 * place[slot[rows]] + ~goes_left
    return next_slot


def _who_goes_left(columns: Columns, cuts: Cuts, slot: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return for rows whose nodes are split by own columns whether each goes left."""
    bits = np.zeros(len(rows), bool)
    for i in np.unique(slot[rows]):
        here = slot[rows] == i
        asked = int(cuts.feature[i]), float(cuts.threshold[i]), bool(cuts.missing_left[i])
        bits[here] = columns.goes_left(*asked)[rows[here]]
    return bits
