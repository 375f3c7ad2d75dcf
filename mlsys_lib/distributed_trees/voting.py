"""Voting parallel: rows are partitioned, and only the histograms of elected features travel.

Meng, Ke, Wang, Chen, Ye, Ma & Liu, "A communication-efficient parallel algorithm for decision
tree", NeurIPS 2016, arXiv:1611.01276; LightGBM's `tree_learner=voting`.

Each rank scores all features on its own rows, and votes for the `top_k` best. The 2 `top_k`
features with most votes are elected, and only their histograms are added up. So what travels does
not grow with the number of features. The tree is that of PLANET if the best feature of all rows is
among those elected. This is likely if rows were dealt out at random and each rank has many.

Ties: features with equally many votes are elected from the lowest index on. The minimum weight of a
side is divided by the number of ranks while a rank scores its own rows.
"""

from functools import partial

import numpy as np

from mlsys_lib.collectives import ring_all_gather, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import positive_int
from mlsys_lib.distributed_trees.bins import Bins
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.planet import planet_tree
from mlsys_lib.distributed_trees.splits import Split, Splits, best_split, feature_gains, stack
from mlsys_lib.distributed_trees.tree import Tree

NO_VOTE = -1


def voting_tree(
    comm: Communicator,
    codes: np.ndarray,
    stats: np.ndarray,
    bins: Bins,
    criterion: Criterion,
    max_depth: int,
    *,
    top_k: int,
    min_weight: float = 1.0,
    subtract: bool = True,
) -> Tree:
    """Grow a tree on rows that lie on all ranks, by the histograms of elected features.

    Parameters
    ----------
    top_k : int
        Features that each rank votes for at each node.
    comm, codes, stats, bins, criterion, max_depth, min_weight, subtract
        As in `planet_tree`. Siblings are subtracted on each rank, from its own histograms: this
        saves counting, and no byte.

    Returns
    -------
    Tree
        On every rank the same.

    Notes
    -----
    See `voting_bytes`. A level sends `top_k` votes a node and rank, and the histograms of at most
    2 `top_k` features a node.
    """
    positive_int("top_k", top_k)
    return planet_tree(
        comm,
        codes,
        stats,
        bins,
        criterion,
        max_depth,
        min_weight=min_weight,
        subtract=subtract,
        combine=partial(ByVoting, top_k=top_k),
    )


class ByVoting:
    """Ranks keep their own histograms, vote, and add up those of the elected features.

    Parameters
    ----------
    comm : Communicator
    top_k : int
    """

    def __init__(self, comm: Communicator, top_k: int) -> None:
        self._comm, self._top_k = comm, top_k

    def sums(self, histograms: np.ndarray) -> np.ndarray:
        """Return this rank's own histograms: nothing is sent yet."""
        return histograms

    def splits(
        self,
        histograms: np.ndarray,
        criterion: Criterion,
        categorical: np.ndarray,
        min_weight: float,
    ) -> Splits:
        """Vote, elect, add up, and find the best split among the elected features."""
        lightest = min_weight / self._comm.world_size
        gains = [feature_gains(one, criterion, categorical, lightest) for one in histograms]
        votes = np.array([_votes(gain, self._top_k) for gain in gains])
        ballots = ring_all_gather(self._comm, votes)  # (m, nodes, top_k)
        elected = [elect(ballots[:, node], 2 * self._top_k) for node in range(len(histograms))]
        chosen = [histogram[who] for histogram, who in zip(histograms, elected, strict=True)]
        summed = ring_all_reduce(self._comm, np.concatenate(chosen))
        ends = np.cumsum([len(who) for who in elected])[:-1]
        found = []
        for sums, who in zip(np.split(summed, ends), elected, strict=True):
            found.append(_best_among(who, sums, criterion, categorical, min_weight))
        return stack(found)

    def total(self, own: np.ndarray, histograms: np.ndarray | None) -> np.ndarray:
        """Return the sum over ranks, by an all-reduce of c numbers."""
        return ring_all_reduce(self._comm, own)


def _votes(gain: np.ndarray, top_k: int) -> np.ndarray:
    """Return the features that gain most, the best first, filled up with `NO_VOTE`."""
    votes = np.full(top_k, NO_VOTE)
    best = np.argsort(-gain, kind="stable")[:top_k]
    best = best[np.isfinite(gain[best])]
    votes[: len(best)] = best
    return votes


def elect(ballots: np.ndarray, seats: int) -> np.ndarray:
    """Return the features with most votes, in rising order.

    Parameters
    ----------
    ballots : ndarray of any shape, int64
        Features; `NO_VOTE` is none.
    seats : int
        At most as many are elected; fewer if fewer got a vote.

    Examples
    --------
    >>> elect(np.array([[3, 1], [3, 0], [2, -1]]), 2)
    array([0, 3])
    """
    feature, num_votes = np.unique(ballots[ballots != NO_VOTE], return_counts=True)
    return np.sort(feature[np.argsort(-num_votes, kind="stable")[:seats]])


def _best_among(
    elected: np.ndarray,
    sums: np.ndarray,
    criterion: Criterion,
    categorical: np.ndarray,
    min_weight: float,
) -> Split:
    """Return the best split of one node among features whose sums are known."""
    if not len(elected):
        num_slots, width = sums.shape[1:]
        return -np.inf, 0, np.zeros(num_slots, bool), np.zeros(width), 0
    gain, at, goes_left, left, cut = best_split(sums, criterion, categorical[elected], min_weight)
    return gain, int(elected[at]), goes_left, left, cut
