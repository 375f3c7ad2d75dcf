"""A tree over bins, while it grows: each node knows which codes go left.

`Tree`, which it becomes in the end, asks for values instead, and needs no bins.
"""

from dataclasses import dataclass, field

import numpy as np

from mlsys_lib.distributed_trees.bins import Bins
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.splits import Splits
from mlsys_lib.distributed_trees.tree import LEAF, Tree

_NUMBERS = 6  # a node has besides its statistics: feature, left, right, depth, cut and gain


@dataclass
class BinnedTree:
    """The nodes so far; node 0 is the root.

    Attributes
    ----------
    num_slots : int
        h, the codes of a feature; the last one is missing.
    feature, left, right, depth, cut : list of int
        By node; feature, left and right are `LEAF` in a leaf.
    gain : list of float
    stats : list of ndarray of shape (c,)
    goes_left : list of ndarray of shape (h,), bool
    """

    num_slots: int
    feature: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    gain: list[float] = field(default_factory=list)
    stats: list[np.ndarray] = field(default_factory=list)
    goes_left: list[np.ndarray] = field(default_factory=list)

    def add(self, stats: np.ndarray, depth: int) -> int:
        """Add a leaf; return its number."""
        for numbers in (self.feature, self.left, self.right):
            numbers.append(LEAF)
        self.depth.append(depth)
        self.cut.append(0)
        self.gain.append(0.0)
        self.stats.append(stats)
        self.goes_left.append(np.zeros(self.num_slots, bool))
        return len(self.feature) - 1

    def split(self, node: int, splits: Splits, i: np.intp) -> tuple[int, int]:
        """Make the i-th of `splits` at `node`; return its children."""
        below = self.depth[node] + 1
        self.left[node] = self.add(splits.left[i], below)
        self.right[node] = self.add(self.stats[node] - splits.left[i], below)
        self.feature[node], self.cut[node] = int(splits.feature[i]), int(splits.cut[i])
        self.gain[node], self.goes_left[node] = float(splits.gain[i]), splits.goes_left[i]
        return self.left[node], self.right[node]

    def graft(self, node: int, subtree: "BinnedTree") -> None:
        """Put a tree that was grown from the rows of a leaf in that leaf's place."""
        place = {0: node}  # of the subtree's nodes; parents come before their children
        for i in range(len(subtree.feature)):
            at, below = place[i], self.depth[node] + subtree.depth[i] + 1
            if subtree.feature[i] != LEAF:
                for child in (subtree.left[i], subtree.right[i]):
                    place[child] = self.add(subtree.stats[child], below)
                self.left[at], self.right[at] = place[subtree.left[i]], place[subtree.right[i]]
                self.feature[at], self.cut[at] = subtree.feature[i], subtree.cut[i]
                self.gain[at], self.goes_left[at] = subtree.gain[i], subtree.goes_left[i]

    def route(self, codes: np.ndarray) -> np.ndarray:
        """Return the leaf of each row of codes, shape (n,)."""
        node = np.zeros(len(codes), np.int64)
        feature, goes_left = np.array(self.feature), np.array(self.goes_left)
        left, right = np.array(self.left), np.array(self.right)
        rows = np.flatnonzero(feature[node] != LEAF)
        while rows.size:
            at = node[rows]
            is_left = goes_left[at, codes[rows, feature[at]]]
            node[rows] = np.where(is_left, left[at], right[at])
            rows = rows[feature[node[rows]] != LEAF]
        return node

    def to_bytes(self) -> np.ndarray:
        """Return a row of 8 (6 + c) + ceil(h / 8) bytes for each node, to be sent."""
        numbers = np.column_stack(
            [self.feature, self.left, self.right, self.depth, self.cut, self.gain, self.stats]
        )
        return np.hstack([numbers.view(np.uint8), np.packbits(self.goes_left, axis=1)])

    @classmethod
    def from_bytes(cls, rows: np.ndarray, num_slots: int) -> "BinnedTree":
        """Return what `to_bytes` wrote."""
        num_bytes = rows.shape[1] - (num_slots + 7) // 8
        numbers = np.ascontiguousarray(rows[:, :num_bytes]).view(np.float64)
        goes_left = np.unpackbits(rows[:, num_bytes:], axis=1, count=num_slots).astype(bool)
        feature, left, right, depth, cut = numbers[:, : _NUMBERS - 1].astype(int).T.tolist()
        gain, stats = numbers[:, _NUMBERS - 1].tolist(), list(numbers[:, _NUMBERS:])
        return cls(num_slots, feature, left, right, depth, cut, gain, stats, list(goes_left))

    def tree(self, bins: Bins, criterion: Criterion) -> Tree:
        """Return the tree, its nodes numbered level by level."""
        order = self._level_order()
        number = np.full(len(order) + 1, LEAF)  # the last entry serves LEAF
        number[order] = np.arange(len(order))
        asked = [self._question(node, bins) for node in order]
        stats = np.array(self.stats)[order]
        return Tree(
            feature=np.array(self.feature)[order],
            threshold=np.array([threshold for threshold, _ in asked]),
            categories=tuple(categories for _, categories in asked),
            missing_left=np.array([self._is_missing_left(node) for node in order]),
            left=number[np.array(self.left)[order]],
            right=number[np.array(self.right)[order]],
            stats=stats,
            value=criterion.value(stats),
            gain=np.array(self.gain)[order],
            depth=np.array(self.depth)[order],
        )

    def _level_order(self) -> list[int]:
        order = [0]
        for node in order:  # grows while it is read
            if self.feature[node] != LEAF:
                order += [self.left[node], self.right[node]]
        return order

    def _question(self, node: int, bins: Bins) -> tuple[float, np.ndarray]:
        """Return a threshold, or NaN and the categories that go left."""
        nothing = np.empty(0)
        if self.feature[node] == LEAF:
            return 0.0, nothing
        edges, cut = bins.edges[self.feature[node]], self.cut[node]
        if bins.categorical[self.feature[node]]:
            return np.nan, edges[self.goes_left[node][: len(edges)]]
        return (edges[cut] if cut < len(edges) else np.inf), nothing  # inf: only missing go right

    def _is_missing_left(self, node: int) -> bool:
        return self.feature[node] == LEAF or bool(self.goes_left[node][-1])
