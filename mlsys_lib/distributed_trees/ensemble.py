"""Many trees as one model: one tree, a forest that is averaged, or boosting, which adds up.

All three only ever ask for one thing, a tree from the statistics of rows. Who grows it, and where
the rows lie, is the grower's affair (`growers`). So each works with each way to distribute.

Boosting: Friedman 2001 (see `loss`), with the second derivatives of Chen & Guestrin 2016 (see
`criterion.Newton`). Forests: Breiman, "Bagging predictors", Machine Learning 24(2), 1996,
doi:10.1007/BF00058655. His bootstrap draws n of n rows, which needs to know them all; ours gives
each row a Poisson(1) weight (Oza & Russell, "Online bagging and boosting", AISTATS 2001), which a
rank can draw for its own rows.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsys_lib.distributed_trees.bins import Bins
from mlsys_lib.distributed_trees.criterion import Criterion, Newton, Variance
from mlsys_lib.distributed_trees.loss import Loss
from mlsys_lib.distributed_trees.tree import Tree

ALL = -1


@dataclass(frozen=True)
class Ensemble:
    """A model of trees: base + scale · (sum of their values).

    Attributes
    ----------
    trees : tuple of Tree
    outputs : tuple of int
        Which output each tree adds to; `ALL` if it has a value for each.
    base : ndarray of shape (outputs,)
    scale : float
    bins : Bins or None
        How columns were cut; None where every cut was tried.
    """

    trees: tuple[Tree, ...]
    outputs: tuple[int, ...]
    base: np.ndarray
    scale: float
    bins: Bins | None = None

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs of each row, shape (n, outputs).

        A category that training did not see counts as missing.
        """
        X = X if self.bins is None else self.bins.mask_unseen(X)
        total = np.zeros((len(X), len(self.base)))
        for tree, output in zip(self.trees, self.outputs, strict=True):
            if output == ALL:
                total += tree.predict(X)
            else:
                total[:, output] += tree.predict(X)[:, 0]
        return np.asarray(self.base + self.scale * total)


class Grower(Protocol):
    """Grows trees from rows or columns of this rank, together with all others."""

    @property
    def bins(self) -> Bins | None:
        """How columns are cut, if they are."""

    @property
    def row_ids(self) -> np.ndarray:
        """The numbers, among all rows of all ranks, of the rows that `stats` are about."""

    @property
    def num_rows(self) -> int:
        """Rows of all ranks."""

    def grow(self, stats: np.ndarray, criterion: Criterion) -> tuple[Tree, np.ndarray]:
        """Return a tree, the same on every rank, and the leaf of each of this rank's rows."""

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of `values`, shape (n_r, a), over all rows of all ranks: shape (a,)."""


def one_tree(grower: Grower, y: np.ndarray, weight: np.ndarray, criterion: Criterion) -> Ensemble:
    """Grow one tree."""
    return forest(grower, y, weight, criterion, num_trees=1, seed=None)


def forest(
    grower: Grower,
    y: np.ndarray,
    weight: np.ndarray,
    criterion: Criterion,
    *,
    num_trees: int,
    seed: int | None,
) -> Ensemble:
    """Grow trees on rows drawn anew for each, to be averaged.

    Targets that are numbers are first freed of their mean, which is `base`: a gain is a difference
    of squares, and far from zero nothing would be left of it.

    Parameters
    ----------
    seed : int or None
        Of the draws, which are the same however rows are dealt out; None draws all rows once. So
        does a draw that hits no row which weighs something.
    """
    base = _mean(grower, y, weight) if isinstance(criterion, Variance) else 0.0
    trees = []
    for number in range(num_trees):
        times = np.ones(len(y))
        if seed is not None:
            times = drawn(number, seed, grower.num_rows)[grower.row_ids]
            if grower.total((weight * times)[:, None])[0] == 0:
                times = np.ones(len(y))
        tree, _ = grower.grow(criterion.encode(y - base if base else y, weight * times), criterion)
        trees.append(tree)
    outputs = trees[0].value.shape[1]
    every = (ALL,) * num_trees
    return Ensemble(tuple(trees), every, np.full(outputs, base), 1 / num_trees, grower.bins)


def _mean(grower: Grower, y: np.ndarray, weight: np.ndarray) -> float:
    sums = grower.total(np.column_stack([weight, weight * y]))
    return float(sums[1] / sums[0])


def drawn(number: int, seed: int, num_rows: int) -> np.ndarray:
    """Return how often each of all rows is drawn for a tree: Poisson(1), shape (n,)."""
    return np.random.default_rng([seed, number]).poisson(1.0, num_rows)


def boost(
    grower: Grower,
    y: np.ndarray,
    weight: np.ndarray,
    loss: Loss,
    *,
    num_rounds: int,
    learning_rate: float,
    l2: float,
) -> Ensemble:
    """Grow trees one after another, each a step of Newton's from where the others have led.

    Parameters
    ----------
    num_rounds : int
        Each grows a tree for each output of the loss.
    learning_rate : float
        Share of the step that is made.
    l2 : float
        λ of `Newton`.
    """
    criterion = Newton(l2)
    sums = grower.total(np.column_stack([weight, weight[:, None] * loss.encode(y)]))
    base = loss.begin(sums[1:] / sums[0])
    score = np.tile(base, (len(y), 1))
    trees, outputs = [], []
    for _ in range(num_rounds):
        derivatives = loss.derivatives(y, score)
        for output in range(loss.num_outputs):
            stats = criterion.encode(derivatives[:, output], weight)
            tree, leaf = grower.grow(stats, criterion)
            score[:, output] += learning_rate * tree.value[leaf, 0]
            trees.append(tree)
            outputs.append(output)
    return Ensemble(tuple(trees), tuple(outputs), base, learning_rate, grower.bins)
