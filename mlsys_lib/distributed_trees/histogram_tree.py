"""A tree from histograms, one level at a time: on one machine, or on many.

All that a level needs of the rows is a histogram for each of its nodes. `combine` says how those of
several machines become one; on one machine it does nothing. So PLANET and its serial oracle are the
same lines.

The histogram of a node is the sum of its children's. So only the lighter child of each pair is
counted, and sent; its sibling is what is left of the parent (*sibling subtraction*).
"""

import numpy as np

from mlsys_lib.core.validate import integer, non_negative
from mlsys_lib.distributed_trees.binned_tree import BinnedTree
from mlsys_lib.distributed_trees.bins import Bins
from mlsys_lib.distributed_trees.combine import Alone, Combine
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.splits import Splits
from mlsys_lib.distributed_trees.tree import Tree

MAX_DEPTH = 30


def grow_histogram_tree(
    codes: np.ndarray,
    stats: np.ndarray,
    bins: Bins,
    criterion: Criterion,
    max_depth: int,
    *,
    min_weight: float = 1.0,
    subtract: bool = True,
    combine: Combine | None = None,
) -> Tree:
    """Grow a tree to `max_depth` levels of splits.

    Parameters
    ----------
    codes : ndarray of shape (n, d), unsigned
        This machine's rows, as `Bins.encode` gives them; n may be 0.
    stats : ndarray of shape (n, c)
        Their statistics, on a common grid (`exact_sums`) if there is more than one machine.
    bins : Bins
        The same on every machine.
    max_depth : int
        Levels of splits, D; 0 gives a single leaf.
    min_weight : float
        Either side of a split must weigh at least this.
    subtract : bool
        Whether siblings are subtracted; the tree is the same.
    combine : Combine, optional
        How several machines grow one tree; by default there is one.

    Notes
    -----
    With no node finished early, (2^D - 1) d h c numbers are counted in all, and about half of that,
    2^(D - 1) d h c, with sibling subtraction.
    """
    integer("max_depth", max_depth, 0, MAX_DEPTH)
    non_negative("min_weight", min_weight)
    if codes.shape[1] == 0:
        raise ValueError(f"codes must have at least one column, got shape {codes.shape}")
    if len(codes) != len(stats):
        raise ValueError(f"stats must have a row for each of {len(codes)}, got {len(stats)}")
    combine = combine or Alone()
    grown = grow_binned(codes, stats, bins, criterion, max_depth, min_weight, subtract, combine)
    return grown.tree(bins, criterion)


def grow_binned(
    codes: np.ndarray,
    stats: np.ndarray,
    bins: Bins,
    criterion: Criterion,
    max_depth: int,
    min_weight: float,
    subtract: bool,
    combine: Combine,
) -> BinnedTree:
    """Do what `grow_histogram_tree` does, to arguments that were checked."""
    growing = BinnedTree(bins.num_slots)
    slot = np.zeros(len(codes), np.int64)  # a row's node in this level, or -1
    root = stats.sum(axis=0)
    if max_depth == 0:
        growing.add(combine.total(root, None), depth=0)
        return growing
    histograms = combine.sums(count(codes, stats, slot, 1, bins.num_slots))
    level = [growing.add(combine.total(root, histograms), depth=0)]
    for depth in range(1, max_depth + 1):
        splits = combine.splits(histograms, criterion, bins.categorical, min_weight)
        chosen = np.flatnonzero(np.isfinite(splits.gain))
        if not chosen.size:
            break
        slot = _route(codes, slot, splits, chosen)
        pairs = [growing.split(level[i], splits, i) for i in chosen]
        level = [child for pair in pairs for child in pair]
        if depth < max_depth:
            own = _lighter(growing, criterion, level) if subtract else np.arange(len(level))
            place = _place(slot, own, len(level))
            counted = combine.sums(count(codes, stats, place, len(own), bins.num_slots))
            histograms = _with_siblings(counted, own, histograms[chosen])
    return growing


def count(
    codes: np.ndarray, stats: np.ndarray, slot: np.ndarray, num_nodes: int, num_slots: int
) -> np.ndarray:
    """Return the statistics by node, feature and code: shape (num_nodes, d, h, c).

    Parameters
    ----------
    slot : ndarray of shape (n,), int64
        The node of each row; rows of -1 count nowhere.
    """
    rows = np.flatnonzero(slot >= 0)
    if len(rows) == len(slot):
        codes_here, stats_here, base = codes, stats, slot * num_slots
    else:
        codes_here, stats_here, base = codes[rows], stats[rows], slot[rows] * num_slots
    columns = np.ascontiguousarray(stats_here.T)
    histograms = np.empty((codes.shape[1], stats.shape[1], num_nodes * num_slots))
    for f in range(codes.shape[1]):
        cell = base + codes_here[:, f]
        for j, column in enumerate(columns):
            histograms[f, j] = np.bincount(cell, column, num_nodes * num_slots)
    shape = (*histograms.shape[:2], num_nodes, num_slots)
    return np.ascontiguousarray(histograms.reshape(shape).transpose(2, 0, 3, 1))


def _place(slot: np.ndarray, own: np.ndarray, num_nodes: int) -> np.ndarray:
    """Return each row's place among the nodes that are counted, -1 for none."""
    place = np.full(num_nodes + 1, -1)  # the last entry serves slot -1
    place[own] = np.arange(len(own))
    return np.asarray(place[slot])


def _with_siblings(counted: np.ndarray, own: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Return the histograms of all children, from those that were counted.

    Children 2 j and 2 j + 1 are those of parent j. If one of each pair was counted, the other is
    what is left of the parent, which is overwritten.
    """
    histograms = np.empty((2 * len(parents), *counted.shape[1:]))
    histograms[own] = counted
    if len(own) == len(parents):
        parents -= counted
        histograms[own ^ 1] = parents
    return histograms


def _lighter(growing: BinnedTree, criterion: Criterion, level: list[int]) -> np.ndarray:
    """Return the place in `level` of the lighter child of each pair; of equal ones the left."""
    weight = criterion.weight(np.array([growing.stats[node] for node in level]))
    return np.arange(0, len(level), 2) + (weight[1::2] < weight[::2])


def _route(codes: np.ndarray, slot: np.ndarray, splits: Splits, chosen: np.ndarray) -> np.ndarray:
    """Return each row's slot in the next level: 2 j or 2 j + 1 below the j-th that was split."""
    place = np.full(len(splits.gain) + 1, -1)  # the last entry serves slot -1
    place[chosen] = np.arange(len(chosen))
    parent = place[slot]
    code = codes[np.arange(len(codes)), splits.feature[slot]]
    goes_right = ~splits.goes_left[slot, code]
    return np.where(parent >= 0, 2 * parent + goes_right, -1)
