"""Estimators in scikit-learn's convention, whose `fit` runs on many ranks.

This file needs scikit-learn; the rest of the folder does not.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from mlsys_lib.comm import ProcessPool, Run, simulate
from mlsys_lib.core.validate import integer, one_of, positive_int
from mlsys_lib.distributed_trees.criterion import Criterion, Entropy, Gini, Variance
from mlsys_lib.distributed_trees.dealing import deal_columns, deal_rows
from mlsys_lib.distributed_trees.loss import Logistic, Loss, Softmax, SquaredError
from mlsys_lib.distributed_trees.training import (
    ROW_STRATEGIES,
    Recipe,
    train_on_columns,
    train_on_rows,
)

STRATEGIES = (*ROW_STRATEGIES, "yggdrasil")


class _DistributedTrees(BaseEstimator):  # type: ignore[misc]
    """Deals a table out to ranks, trains on them, and predicts with what comes back."""

    def __init__(
        self,
        *,
        criterion: str = "auto",
        strategy: str = "planet",
        num_workers: int = 1,
        ensemble: str = "tree",
        num_trees: int = 10,
        max_depth: int = 6,
        num_bins: int = 255,
        min_weight: float = 1.0,
        categorical: Sequence[int] = (),
        top_k: int = 10,
        learning_rate: float = 0.1,
        l2: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.criterion = criterion
        self.strategy = strategy
        self.num_workers = num_workers
        self.ensemble = ensemble
        self.num_trees = num_trees
        self.max_depth = max_depth
        self.num_bins = num_bins
        self.min_weight = min_weight
        self.categorical = categorical
        self.top_k = top_k
        self.learning_rate = learning_rate
        self.l2 = l2
        self.seed = seed

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _train(
        self, X: np.ndarray, y: np.ndarray, weight: np.ndarray, criterion: Criterion, loss: Loss,
        pool: ProcessPool | None,
    ) -> None:  # fmt: skip
        """Set `ensemble_`, `ledger_` and what is known of the columns."""
        one_of("strategy", self.strategy, STRATEGIES)
        world_size = positive_int("num_workers", self.num_workers)
        recipe = Recipe(
            criterion, loss, self.ensemble, self.num_trees, self.max_depth, self.num_bins,
            self.min_weight, tuple(self.categorical), self.top_k, self.learning_rate, self.l2,
            self.seed,
        )  # fmt: skip
        for feature in recipe.categorical:
            integer("categorical", feature, 0, X.shape[1] - 1)
        counts = weight > 0  # a row that weighs nothing tells nothing
        X, y, weight = X[counts], y[counts], weight[counts]
        if self.strategy == "yggdrasil":
            hands = deal_columns(world_size, X)
            run = _run(pool, world_size, train_on_columns, *hands, y, weight, recipe)
        else:
            hands = deal_rows(world_size, X, y, weight, np.arange(len(X)))
            run = _run(pool, world_size, train_on_rows, *hands, recipe, self.strategy)
        self.ensemble_, self.ledger_ = run.results[0], run.ledger
        bins = self.ensemble_.bins
        self.num_bins_ = None if bins is None else bins.num_bins

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the ensemble's outputs."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return np.asarray(self.ensemble_.predict(X))


class DistributedTreesRegressor(RegressorMixin, _DistributedTrees):  # type: ignore[misc]
    """A tree, a forest or boosted trees for numbers, trained on rows or columns of many ranks.

    Parameters
    ----------
    strategy : {"planet", "reduce-scatter", "voting", "yggdrasil"}
        The first three partition rows, the last partitions columns.
    num_workers : int
        Ranks, m. The model is the same for every number of them, but for voting, and but for the
        bins of columns with more than 8 · num_bins values.
    criterion : {"auto", "variance"}
        Of a tree or a forest; boosting follows the squared error.
    ensemble, num_trees, max_depth, num_bins, min_weight, categorical, top_k, learning_rate, l2, \
seed
        As in `Recipe`.

    Attributes
    ----------
    ensemble_ : Ensemble
    ledger_ : Ledger
        What the ranks sent each other.
    num_bins_ : ndarray of shape (d,), or None
        Bins, or categories, of each column: fewer than `num_bins` where there are fewer distinct
        values. None for "yggdrasil", which has no bins.
    """

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, pool: ProcessPool | None = None
    ) -> Self:
        """Train on simulated ranks, or on the processes of `pool`.

        Parameters
        ----------
        X : array-like of shape (n, d)
            NaN is missing.
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
        pool : ProcessPool, optional
            Of at least `num_workers` processes.
        """
        X, y = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True
        )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        one_of("criterion", self.criterion, ("auto", "variance"))
        self._train(X, y.astype(np.float64), weight, Variance(), SquaredError(), pool)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return a number for each row, shape (n,)."""
        return np.asarray(self._outputs(X)[:, 0])


class DistributedTreesClassifier(ClassifierMixin, _DistributedTrees):  # type: ignore[misc]
    """The same for classes.

    Parameters
    ----------
    criterion : {"auto", "gini", "entropy"}
        Of a tree or a forest, "auto" is Gini; boosting follows the logistic loss.
    strategy, num_workers, ensemble, num_trees, max_depth, num_bins, min_weight, categorical, \
top_k, learning_rate, l2, seed
        As in `DistributedTreesRegressor`.

    Attributes
    ----------
    classes_ : ndarray
        Their names, in the order of the columns of `predict_proba`.
    ensemble_, ledger_, num_bins_
        As in `DistributedTreesRegressor`.
    """

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, pool: ProcessPool | None = None
    ) -> Self:
        """Train; parameters as in `DistributedTreesRegressor.fit`.

        Raises
        ------
        ValueError
            If y has fewer than two classes.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self.classes_, number = np.unique(y, return_inverse=True)
        num_classes = len(self.classes_)
        if num_classes < 2:
            raise ValueError(
                f"y must hold at least two classes, got one class: {self.classes_[0]!r}"
            )
        kind = one_of("criterion", self.criterion, ("auto", "gini", "entropy"))
        criterion: Criterion = (Entropy if kind == "entropy" else Gini)(num_classes)
        loss: Loss = Logistic() if num_classes == 2 else Softmax(num_classes)
        self._train(X, number, weight, criterion, loss, pool)
        self._loss = loss if self.ensemble == "boosting" else None
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, shape (n, classes)."""
        outputs = self._outputs(X)
        return outputs if self._loss is None else self._loss.predict(outputs)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, shape (n,)."""
        number = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[number])


def _run(
    pool: ProcessPool | None, world_size: int, function: Callable[..., Any], *args: Any
) -> Run:
    """Run on simulated ranks, or on processes."""
    if pool is None:
        return simulate(function, world_size, *args)
    return pool.run(function, *args, world_size=world_size)
