"""A tree as arrays: what each node asks, where its children are, what it predicts."""

from dataclasses import dataclass

import numpy as np

LEAF = -1


@dataclass(frozen=True)
class Tree:
    """A binary tree; node 0 is the root, and children come after their parents.

    Attributes
    ----------
    feature : ndarray of shape (nodes,), int64
        What is asked; `LEAF` in a leaf.
    threshold : ndarray of shape (nodes,)
        A number goes left if it is <= this. NaN where categories are asked.
    categories : tuple of ndarray, one for each node
        The categories that go left; empty for numbers.
    missing_left : ndarray of shape (nodes,), bool
        Where a missing value goes; it was learned.
    left, right : ndarray of shape (nodes,), int64
        Children; `LEAF` in a leaf.
    stats : ndarray of shape (nodes, c)
        Sufficient statistics of the rows in each node.
    value : ndarray of shape (nodes, outputs)
        What a leaf predicts.
    gain : ndarray of shape (nodes,)
        What the split of a node gained; 0 in a leaf.
    depth : ndarray of shape (nodes,), int64
        0 for the root.
    """

    feature: np.ndarray
    threshold: np.ndarray
    categories: tuple[np.ndarray, ...]
    missing_left: np.ndarray
    left: np.ndarray
    right: np.ndarray
    stats: np.ndarray
    value: np.ndarray
    gain: np.ndarray
    depth: np.ndarray

    @property
    def num_nodes(self) -> int:
        """Nodes, leaves among them."""
        return len(self.feature)

    def same_as(self, other: "Tree") -> bool:
        """Whether both are the same tree, to the bit."""
        mine, theirs = vars(self), vars(other)
        return self.num_nodes == other.num_nodes and all(
            all(map(np.array_equal, mine[name], theirs[name]))
            if name == "categories"
            else np.array_equal(mine[name], theirs[name], equal_nan=name == "threshold")
            for name in mine
        )

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Return the leaf of each row of X, shape (n,)."""
        node = np.zeros(len(X), np.int64)
        rows = np.arange(len(X)) if self.feature[0] != LEAF else np.empty(0, np.int64)
        while rows.size:
            at = node[rows]
            goes_left = self._goes_left(X[rows, self.feature[at]], at)
            node[rows] = np.where(goes_left, self.left[at], self.right[at])
            rows = rows[self.feature[node[rows]] != LEAF]
        return node

    def _goes_left(self, x: np.ndarray, node: np.ndarray) -> np.ndarray:
        goes_left = x <= self.threshold[node]
        for asked in np.unique(node[np.isnan(self.threshold[node])]):
            here = node == asked
            goes_left[here] = np.isin(x[here], self.categories[asked])
        return np.asarray(np.where(np.isnan(x), self.missing_left[node], goes_left))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the value of each row's leaf, shape (n, outputs)."""
        return np.asarray(self.value[self.apply(X)])
