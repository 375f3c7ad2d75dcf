"""How the histograms of all ranks become one split a node: by all-reduce, or by reduce-scatter.

With an *all-reduce* every rank gets all sums, and finds the same split. Each number travels
2 (m - 1) times. With a *reduce-scatter* a rank gets the sums of its share of the features, and
finds the best split among these; ranks then tell each other their best, which is small. Each number
travels m - 1 times: half as often. LightGBM's data-parallel learner does the latter (Ke et al.,
"LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from mlsys_lib.collectives import ring_all_reduce, ring_reduce_scatter, tree_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.splits import Splits, best_splits, better_rows

AllReduce = Callable[[Communicator, np.ndarray], np.ndarray]


class Combine(Protocol):
    """What a level's histograms go through, on every rank together."""

    def sums(self, histograms: np.ndarray) -> np.ndarray:
        """Take what this rank has counted; return what it keeps, to subtract siblings from."""

    def splits(
        self,
        histograms: np.ndarray,
        criterion: Criterion,
        categorical: np.ndarray,
        min_weight: float,
    ) -> Splits:
        """Take what was kept of each node; return its best split, the same on every rank."""

    def total(self, own: np.ndarray, histograms: np.ndarray | None) -> np.ndarray:
        """Return the statistics of all ranks' rows.

        Parameters
        ----------
        own : ndarray of shape (c,)
            Those of this rank's rows.
        histograms : ndarray or None
            What was kept of the root, if anything was counted.
        """


class Alone:
    """One machine: nothing is to be combined."""

    splits = staticmethod(best_splits)

    def sums(self, histograms: np.ndarray) -> np.ndarray:
        """Return the histograms as they are."""
        return histograms

    def total(self, own: np.ndarray, histograms: np.ndarray | None) -> np.ndarray:
        """Return this machine's own."""
        return own


class ByAllReduce:
    """Every rank gets all sums, and finds the splits by itself.

    Parameters
    ----------
    comm : Communicator
    all_reduce : callable
    """

    splits = staticmethod(best_splits)

    def __init__(self, comm: Communicator, all_reduce: AllReduce = ring_all_reduce) -> None:
        self._comm, self._all_reduce = comm, all_reduce

    def sums(self, histograms: np.ndarray) -> np.ndarray:
        """Return the sums over all ranks."""
        return self._all_reduce(self._comm, histograms)

    def total(self, own: np.ndarray, histograms: np.ndarray | None) -> np.ndarray:
        """Return the sum over the bins of any feature: no message, if they are known."""
        if histograms is None:
            return self._all_reduce(self._comm, own)
        return np.asarray(histograms[0, 0].sum(axis=0))


class ByReduceScatter:
    """Rank r gets the sums of its ceil(d / m) features.

    Parameters
    ----------
    comm : Communicator
    """

    def __init__(self, comm: Communicator) -> None:
        self._comm = comm

    def sums(self, histograms: np.ndarray) -> np.ndarray:
        """Return the sums of this rank's features, shape (nodes, ceil(d / m), h, c).

        Features beyond d are zeros, so that all ranks have as many.
        """
        nodes, num_features, *bins = histograms.shape
        share = -(-num_features // self._comm.world_size)
        padded = np.zeros((share * self._comm.world_size, nodes, *bins))
        padded[:num_features] = histograms.swapaxes(0, 1)
        own = ring_reduce_scatter(self._comm, padded).reshape(share, nodes, *bins)
        return np.ascontiguousarray(own.swapaxes(0, 1))

    def splits(
        self,
        histograms: np.ndarray,
        criterion: Criterion,
        categorical: np.ndarray,
        min_weight: float,
    ) -> Splits:
        """Find the best among this rank's features, and then among all ranks' best."""
        share = histograms.shape[1]
        first = self._comm.rank * share
        is_categorical = np.zeros(share, bool)
        here = categorical[first : first + share]
        is_categorical[: len(here)] = here
        own = best_splits(histograms, criterion, is_categorical, min_weight)
        rows = replace(own, feature=own.feature + first).to_bytes()
        best = tree_all_reduce(self._comm, rows, better_rows)
        return Splits.from_bytes(best, own.goes_left.shape[1])

    def total(self, own: np.ndarray, histograms: np.ndarray | None) -> np.ndarray:
        """Return the sum over ranks, by an all-reduce of c numbers."""
        return ring_all_reduce(self._comm, own)
