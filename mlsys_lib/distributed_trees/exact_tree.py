"""The exact tree: every cut between two values is tried, on columns sorted once.

Also what one Yggdrasil worker does with its columns. A column is kept as the order of its rows by
value. From level to level that order is parted by node, and stays sorted within each, so no level
sorts again (Mehta, Agrawal & Rissanen, "SLIQ", EDBT 1996, doi:10.1007/BFb0014141). All cuts of all
nodes are then scored at once, from one running sum: sums on a grid are exact, so what lies before a
node can be taken off it.
"""

from dataclasses import dataclass, field

import numpy as np

from mlsys_lib.core.validate import integer, non_negative
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.histogram_tree import MAX_DEPTH
from mlsys_lib.distributed_trees.splits import better, gains
from mlsys_lib.distributed_trees.tree import LEAF, Tree


@dataclass(frozen=True)
class Cuts:
    """The best cut of each node of a level, of one column or of many.

    Attributes
    ----------
    gain : ndarray of shape (nodes,)
        -inf where there is none.
    feature : ndarray of shape (nodes,)
    threshold : ndarray of shape (nodes,)
        Numbers up to this go left.
    missing_left : ndarray of shape (nodes,), bool
    left : ndarray of shape (nodes, c)
        Statistics of the rows that go left.
    """

    gain: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray


class SortedColumns:
    """Columns of all rows, each with its rows in order of value.

    Parameters
    ----------
    X : ndarray of shape (n, k)
        NaN is missing.
    stats : ndarray of shape (n, c)
        On a grid (`exact_sums`).
    features : ndarray of shape (k,), int64
        What these columns are called in the whole table.
    """

    def __init__(self, X: np.ndarray, stats: np.ndarray, features: np.ndarray) -> None:
        if len(X) != len(stats):
            raise ValueError(f"stats must have a row for each of {len(X)}, got {len(stats)}")
        self.X = np.asfortranarray(X, dtype=np.float64)
        self.features = features
        self._stats = stats
        self._order = []
        for column in self.X.T:
            rows = np.argsort(column, kind="stable")
            self._order.append(rows[: len(rows) - int(np.isnan(column).sum())])

    def best(
        self, slot: np.ndarray, whole: np.ndarray, criterion: Criterion, min_weight: float
    ) -> Cuts:
        """Find the best cut of each node over these columns.

        Parameters
        ----------
        slot : ndarray of shape (n,), int64
            The node of each row; -1 for rows in a leaf.
        whole : ndarray of shape (nodes, c)
            Statistics of each node.
        """
        found = _no_cuts(whole)
        for at in range(len(self.features)):
            self._part(at, slot)
            found = better(found, self._best_of(at, slot, whole, criterion, min_weight))
        return found

    def _part(self, at: int, slot: np.ndarray) -> None:
        """Group the column's rows by node, each group still in order of value."""
        rows = self._order[at]
        rows = rows[slot[rows] >= 0]  # those in a leaf are not looked at again
        narrow = slot[rows].astype(np.uint16 if slot.max(initial=0) < 2**16 else np.int64)
        self._order[at] = rows[np.argsort(narrow, kind="stable")]

    def _best_of(
        self, at: int, slot: np.ndarray, whole: np.ndarray, criterion: Criterion, min_weight: float
    ) -> Cuts:
        rows, nodes = self._order[at], len(whole)
        if not len(rows):
            return _no_cuts(whole)
        values, node = self.X[rows, at], slot[rows]
        starts = np.searchsorted(node, np.arange(nodes + 1))
        sums = np.concatenate([np.zeros((1, whole.shape[1])), np.cumsum(self._stats[rows], axis=0)])
        present = sums[starts[1:]] - sums[starts[:-1]]
        is_last = np.zeros(len(rows), bool)
        is_last[starts[1:][starts[1:] > starts[:-1]] - 1] = True
        next_value = np.append(values[1:], np.inf)
        cuts = np.flatnonzero(is_last | (values < next_value))  # after these rows one may cut
        node, values = node[cuts], values[cuts]
        up_to = sums[cuts + 1] - sums[starts[node]]
        missing = (whole - present)[node]
        left = up_to[:, None]
        if len(rows) < np.count_nonzero(slot >= 0):  # missing left, missing right
            left = np.stack([up_to + missing, up_to], axis=1)
        sides = left.shape[1]
        gain = gains(left, whole[node][:, None], criterion, min_weight)
        gain[is_last[cuts] | (criterion.weight(up_to) <= 0), 0] = -np.inf  # see `splits`
        best, which = _first_of_the_largest(gain.ravel(), np.repeat(node, sides), nodes)
        cut, right = which // sides, which % sides
        middle = values[cut] + (next_value[cuts][cut] - values[cut]) / 2
        threshold = np.where(is_last[cuts][cut], np.inf, middle)
        return Cuts(
            best, np.where(np.isfinite(best), self.features[at], np.iinfo(np.int64).max),
            threshold, right == 0, left[cut, right],
        )  # fmt: skip

    def goes_left(self, feature: int, threshold: float, missing_left: bool) -> np.ndarray:
        """Return for each row whether a cut of one of these columns sends it left: shape (n,)."""
        column = self.X[:, int(np.flatnonzero(self.features == feature)[0])]
        return np.where(np.isnan(column), missing_left, column <= threshold)


def _no_cuts(whole: np.ndarray) -> Cuts:
    nodes = len(whole)
    nothing = np.full(nodes, -np.inf)
    feature = np.full(nodes, np.iinfo(np.int64).max)
    return Cuts(nothing, feature, np.zeros(nodes), np.ones(nodes, bool), np.zeros_like(whole))


def _first_of_the_largest(
    gain: np.ndarray, node: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return each node's largest gain and where it is first; -inf and 0 for a node without any."""
    best, which = np.full(nodes, -np.inf), np.zeros(nodes, np.int64)
    here, starts = np.unique(node, return_index=True)
    if here.size:
        best[here] = np.maximum.reduceat(gain, starts)
        hits = np.flatnonzero(gain == best[node])
        which[here] = hits[np.searchsorted(node[hits], here)]
    return best, which


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
    X : ndarray of shape (n, k)
        Numbers; NaN is missing.
    stats : ndarray of shape (n, c)
        The rows' statistics, on a grid (`exact_sums`).
    max_depth, min_weight
        As in `grow_histogram_tree`.

    Notes
    -----
    O(n k log n) to sort, then O(n k) a level.
    """
    integer("max_depth", max_depth, 0, MAX_DEPTH)
    non_negative("min_weight", min_weight)
    columns = SortedColumns(X, stats, np.arange(X.shape[1]))
    growing = GrowingTree(criterion, [stats.sum(axis=0)])
    slot, level = np.zeros(len(X), np.int64), [0]
    for depth in range(1, max_depth + 1):
        whole = np.array([growing.stats[node] for node in level])
        cuts = columns.best(slot, whole, criterion, min_weight)
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
