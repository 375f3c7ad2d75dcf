"""Who grows a tree for an ensemble: ranks with rows, or ranks with columns."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.distributed_trees.agreement import common_bins, common_grid
from mlsys_lib.distributed_trees.columns import Columns
from mlsys_lib.distributed_trees.combine import ByAllReduce, ByReduceScatter, Combine
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.exact_sums import on_grid, steps
from mlsys_lib.distributed_trees.planet import planet_tree
from mlsys_lib.distributed_trees.tree import Tree
from mlsys_lib.distributed_trees.voting import ByVoting
from mlsys_lib.distributed_trees.yggdrasil import yggdrasil_tree


class RowGrower:
    """Ranks have rows: PLANET, by all-reduce or reduce-scatter, or voting.

    Parameters
    ----------
    comm : Communicator
    X : ndarray of shape (n_r, d)
    row_ids : ndarray of shape (n_r,), int64
        Numbers of these rows among all.
    strategy : {"planet", "reduce-scatter", "voting"}
    max_depth, num_bins, min_weight, categorical
        As in `planet_tree` and `common_bins`.
    top_k : int
        Of voting.
    """

    def __init__(
        self,
        comm: Communicator,
        X: np.ndarray,
        row_ids: np.ndarray,
        strategy: str,
        *,
        max_depth: int,
        num_bins: int,
        min_weight: float,
        categorical: Sequence[int],
        top_k: int,
    ) -> None:
        self._comm, self._X = comm, X
        self.bins = common_bins(comm, X, num_bins, categorical=categorical)
        self._codes = self.bins.encode(X)
        combine: dict[str, Callable[[Communicator], Combine]] = {
            "planet": ByAllReduce,
            "reduce-scatter": ByReduceScatter,
            "voting": partial(ByVoting, top_k=top_k),
        }
        self._combine, self._max_depth, self._min_weight = combine[strategy], max_depth, min_weight
        self.row_ids = row_ids
        self.num_rows = int(ring_all_reduce(comm, np.array([len(X)]))[0])

    def grow(self, stats: np.ndarray, criterion: Criterion) -> tuple[Tree, np.ndarray]:
        """Return a tree, and the leaf of each of this rank's rows."""
        exact = common_grid(self._comm, stats)
        tree = planet_tree(
            self._comm, self._codes, exact, self.bins, criterion, self._max_depth,
            min_weight=self._min_weight, combine=self._combine,
        )  # fmt: skip
        return tree, tree.apply(self._X)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over all ranks' rows."""
        return ring_all_reduce(self._comm, common_grid(self._comm, values).sum(axis=0))


class ColumnGrower:
    """Ranks have columns: Yggdrasil.

    Parameters
    ----------
    comm : Communicator
    X : ndarray of shape (n, d_r)
    features : ndarray of shape (d_r,)
        What these columns are called in the whole table.
    max_depth, min_weight
        As in `yggdrasil_tree`.
    """

    def __init__(
        self,
        comm: Communicator,
        X: np.ndarray,
        features: np.ndarray,
        *,
        max_depth: int,
        min_weight: float,
    ) -> None:
        self._comm, self._features = comm, features
        self._columns = Columns(X, features)
        self._max_depth, self._min_weight = max_depth, min_weight
        self.num_rows = len(X)
        self.row_ids = np.arange(len(X))
        self.bins = None

    def grow(self, stats: np.ndarray, criterion: Criterion) -> tuple[Tree, np.ndarray]:
        """Return a tree, and the leaf of each row: the bits have told it."""
        leaf = np.empty(len(stats), np.int64)
        exact = _on_own_grid(stats)
        tree = yggdrasil_tree(
            self._comm, self._columns, exact, self._features, criterion, self._max_depth,
            min_weight=self._min_weight, leaf=leaf,
        )  # fmt: skip
        return tree, leaf

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over rows: every rank has them all."""
        return np.asarray(_on_own_grid(values).sum(axis=0))


def _on_own_grid(stats: np.ndarray) -> np.ndarray:
    """Round the statistics of all rows, which are here."""
    return on_grid(stats, steps(np.abs(stats).max(axis=0, initial=0.0), len(stats)))
