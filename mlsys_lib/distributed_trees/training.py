"""Training whole models on ranks: what each rank runs, from its shard to an ensemble.

>>> import numpy as np
>>> from mlsys_lib.comm import PerRank, simulate
>>> X, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
>>> shards = [PerRank([a[:4], a[4:]]) for a in (X, y, np.ones(6), np.arange(6))]
>>> run = simulate(train_on_rows, 2, *shards, Recipe(Variance(), max_depth=1))
>>> run.results[1].predict(X)[:, 0]
array([1., 1., 1., 4., 4., 4.])
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, non_negative, one_of, positive, positive_int
from mlsys_lib.distributed_trees.bins import MAX_BINS
from mlsys_lib.distributed_trees.criterion import Criterion, Variance
from mlsys_lib.distributed_trees.ensemble import Ensemble, Grower, boost, forest, one_tree
from mlsys_lib.distributed_trees.growers import ColumnGrower, RowGrower
from mlsys_lib.distributed_trees.histogram_tree import MAX_DEPTH
from mlsys_lib.distributed_trees.loss import Loss, SquaredError
from mlsys_lib.distributed_trees.shards import check_column_shards, check_row_shards

ROW_STRATEGIES = ("planet", "reduce-scatter", "voting")
ENSEMBLES = ("tree", "forest", "boosting")


@dataclass(frozen=True)
class Recipe:
    """What to grow; each value is checked when the recipe is made.

    Parameters
    ----------
    criterion : Criterion
        Of a tree or a forest.
    loss : Loss
        Of boosting.
    ensemble : {"tree", "forest", "boosting"}
    num_trees : int
        Of a forest; rounds of boosting.
    max_depth : int
    num_bins : int
        Of each column, unless columns are partitioned: then there are no bins.
    min_weight : float
        Either side of a split must weigh at least this.
    categorical : sequence of int
        Columns without an order; only where rows are partitioned.
    top_k : int
        Votes of a rank at a node, in voting.
    learning_rate, l2 : float
        Of boosting.
    seed : int
        Of a forest's draws.
    """

    criterion: Criterion = Variance()  # noqa: RUF009 (it is frozen)
    loss: Loss = SquaredError()  # noqa: RUF009
    ensemble: str = "tree"
    num_trees: int = 10
    max_depth: int = 6
    num_bins: int = 255
    min_weight: float = 1.0
    categorical: Sequence[int] = ()
    top_k: int = 10
    learning_rate: float = 0.1
    l2: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("ensemble", self.ensemble, ENSEMBLES)
        positive_int("num_trees", self.num_trees)
        integer("max_depth", self.max_depth, 0, MAX_DEPTH)
        integer("num_bins", self.num_bins, 2, MAX_BINS)
        non_negative("min_weight", self.min_weight)
        positive_int("top_k", self.top_k)
        positive("learning_rate", self.learning_rate)
        non_negative("l2", self.l2)
        integer("seed", self.seed, 0)
        for feature in self.categorical:
            integer("categorical", feature, 0)

    def train(self, grower: Grower, y: np.ndarray, weight: np.ndarray) -> Ensemble:
        """Return the ensemble that the grower's trees make."""
        if self.ensemble == "tree":
            return one_tree(grower, y, weight, self.criterion)
        if self.ensemble == "forest":
            several = {"num_trees": self.num_trees, "seed": self.seed}
            return forest(grower, y, weight, self.criterion, **several)
        return boost(
            grower, y, weight, self.loss,
            num_rounds=self.num_trees, learning_rate=self.learning_rate, l2=self.l2,
        )  # fmt: skip


def train_on_rows(
    comm: Communicator,
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    row_ids: np.ndarray,
    recipe: Recipe,
    strategy: str = "planet",
) -> Ensemble:
    """Train on rows that lie on all ranks.

    Parameters
    ----------
    comm : Communicator
    X : ndarray of shape (n_r, d)
        This rank's rows; n_r may be 0. NaN is missing.
    y, weight : ndarrays of shape (n_r,)
        Targets (classes are 0, 1, …), and what each row weighs.
    row_ids : ndarray of shape (n_r,), int64
        Numbers of these rows among all, 0 … n - 1: they decide what a forest draws.
    recipe : Recipe
    strategy : {"planet", "reduce-scatter", "voting"}

    Returns
    -------
    Ensemble
        On every rank the same.

    Raises
    ------
    ValueError
        On every rank, naming the ranks: see `check_row_shards`.
    """
    one_of("strategy", strategy, ROW_STRATEGIES)
    check_row_shards(comm, X, y, weight, row_ids, (recipe, strategy))
    for feature in recipe.categorical:
        integer("categorical", feature, 0, X.shape[1] - 1)
    grower = RowGrower(
        comm, X, row_ids, strategy, max_depth=recipe.max_depth, num_bins=recipe.num_bins,
        min_weight=recipe.min_weight, categorical=recipe.categorical, top_k=recipe.top_k,
    )  # fmt: skip
    return recipe.train(grower, y, weight)


def train_on_columns(
    comm: Communicator,
    X: np.ndarray,
    features: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    recipe: Recipe,
) -> Ensemble:
    """Train on columns that lie on all ranks, by Yggdrasil.

    Parameters
    ----------
    X : ndarray of shape (n, d_r)
        This rank's columns of all rows; d_r may be 0. NaN is missing.
    features : ndarray of shape (d_r,), int64
        What these columns are called in the whole table.
    y, weight : ndarrays of shape (n,)
        The same on every rank.
    comm, recipe
        As in `train_on_rows`.

    Raises
    ------
    ValueError
        On every rank, naming the ranks: see `check_column_shards`.
    """
    if len(recipe.categorical):
        raise ValueError(
            "categorical must be empty where columns are partitioned, "
            f"got {list(recipe.categorical)}"
        )
    check_column_shards(comm, X, y, weight, features, recipe)
    grower = ColumnGrower(
        comm, X, features, max_depth=recipe.max_depth, min_weight=recipe.min_weight
    )
    return recipe.train(grower, y, weight)
