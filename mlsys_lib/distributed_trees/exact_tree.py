"""The exact tree: every cut between two values is tried, on columns sorted once.

Columns, and the best cuts of them, are in `columns`; here nodes are split, one level at a time.
"""

from dataclasses import dataclass, field

import numpy as np

from mlsys_lib.core.validate import integer, non_negative
from mlsys_lib.distributed_trees.columns import Columns, Cuts
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.histogram_tree import MAX_DEPTH
from mlsys_lib.distributed_trees.tree import LEAF, Tree


@dataclass
class GrowingTree:
    """The nodes so far of a tree whose splits are `Cuts`."""

    criterion: Criterion
    stats: list[np.ndarray]
    rows: list[list[float]] = field(default_factory=lambda: [[LEAF, 0.0, 1, LEAF, LEAF, 0.0, 0]])

    def split(self, node: int, cuts: Cuts, i: np.intp, depth: int) -> tuple[int, int]:
        """Make the i-th cut at `node`; return its children."""
        left, right = len(self.rows), len(self.rows) + 1
        self.rows += [[LEAF, 0.0, 1, LEAF, LEAF, 0.0, depth] for _ in range(2)]
        self.stats += [cuts.left[i], self.stats[node] - cuts.left[i]]
        self.rows[node][:6] = [
            cuts.feature[i], cuts.threshold[i], cuts.missing_left[i], left, right, cuts.gain[i]
        ]  # fmt: skip
        return left, right

    def tree(self) -> Tree:
        """Return the tree."""
        feature, threshold, missing_left, left, right, gain, depth = np.array(self.rows).T
        whole = [column.astype(np.int64) for column in (feature, left, right, depth)]
        stats = np.array(self.stats)
        return Tree(
            whole[0], threshold, (np.empty(0),) * len(stats), missing_left.astype(bool), whole[1],
            whole[2], stats, self.criterion.value(stats), gain, whole[3],
        )  # fmt: skip


def grow_exact_tree(
    X: np.ndarray,
    stats: np.ndarray,
    criterion: Criterion,
    max_depth: int,
    *,
    min_weight: float = 1.0,
) -> Tree:
    """Grow a tree to `max_depth` levels of splits, on one machine.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Numbers; NaN is missing.
    stats : ndarray of shape (n, c)
        The rows' statistics, on a grid (`exact_sums`).
    max_depth, min_weight
        As in `grow_histogram_tree`.

    Notes
    -----
    O(n d log n) to sort, then O(n d) a level.
    """
    integer("max_depth", max_depth, 0, MAX_DEPTH)
    non_negative("min_weight", min_weight)
    if len(X) != len(stats):
        raise ValueError(f"stats must have a row for each of {len(X)}, got {len(stats)}")
    columns = Columns(X, np.arange(X.shape[1]))
    growing = GrowingTree(criterion, [stats.sum(axis=0)])
    slot, level = np.zeros(len(X), np.int64), [0]
    for depth in range(1, max_depth + 1):
        whole = np.array([growing.stats[node] for node in level])
        cuts = columns.best(stats, slot, whole, criterion, min_weight)
        chosen = np.flatnonzero(np.isfinite(cuts.gain))
        if not chosen.size:
            break
        next_slot = np.full(len(X), -1)
        for j, i in enumerate(chosen):
            here = slot == i
            asked = (int(cuts.feature[i]), float(cuts.threshold[i]), bool(cuts.missing_left[i]))
            next_slot[here] = np.where(columns.goes_left(*asked)[here], 2 * j, 2 * j + 1)
        level = [child for i in chosen for child in growing.split(level[i], cuts, i, depth)]
        slot = next_slot
    return growing.tree()
