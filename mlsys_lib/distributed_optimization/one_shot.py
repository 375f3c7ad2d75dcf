"""One-shot averaging: every worker solves its own problem, and the answers are averaged once.

Zinkevich et al., "Parallelized stochastic gradient descent", NIPS 2010; Zhang, Duchi & Wainwright,
"Communication-efficient algorithms for statistical optimization", JMLR 14, 2013. The average has an
error of two parts: chance, which falls with all n examples, and a bias of the order 1/n_i², which
only more examples on *each* worker remove. The same paper takes most of the bias away: each worker
also solves a problem of a random share of its examples, and

    (w̄ - share · w̄_share) / (1 - share)

cancels the bias's first term. Ours weighs workers by their examples, so that shards may differ.
"""

import math

import numpy as np

from mlsys_lib.collectives import AllReduce, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import non_negative, positive
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.objective import Objective
from mlsys_lib.distributed_optimization.optimum import solve
from mlsys_lib.distributed_optimization.rows import Table
from mlsys_lib.distributed_optimization.shards import Shard, join, names_of, num_entries, tell


def one_shot_average(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    *,
    tolerance: float = 1e-10,
    all_reduce: AllReduce = ring_all_reduce,
    seconds_per_entry: float = 0.0,
) -> np.ndarray:
    """Return the average of all ranks' own minimisers, weighted by their examples.

    Parameters
    ----------
    X : Table of shape (n_i, d)
        This rank's examples; a rank without any has no say.
    y : ndarray of shape (n_i,)
    loss : Loss
    penalty : float
        λ ≥ 0, the same in every worker's problem.
    tolerance : float
        How near to its minimum each worker solves its problem; see `solve`.
    all_reduce : callable
        Any all-reduce of `mlsys_lib.collectives`. The ring sends least; with few features and many
        ranks a tree or recursive doubling is faster.
    seconds_per_entry : float
        For the simulated clock: each pass of the local solver reads every entry twice.

    Returns
    -------
    ndarray of shape (d,)
        The same on every rank.

    Raises
    ------
    ValueError
        On every rank, naming them, if ranks have problems without a minimum: labels that a plane
        separates and no penalty.

    Notes
    -----
    One all-reduce of d numbers, after one of the facts of the shards.
    """
    penalty, tolerance = non_negative("penalty", penalty), positive("tolerance", tolerance)
    shard = join(comm, X, y, loss, (penalty, tolerance), seconds_per_entry)
    return _average(comm, _own_minimiser(comm, shard, loss, penalty, tolerance), shard, all_reduce)


def bias_corrected_average(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    fraction: float,
    *,
    tolerance: float = 1e-10,
    seed: int = 0,
    all_reduce: AllReduce = ring_all_reduce,
    seconds_per_entry: float = 0.0,
) -> np.ndarray:
    """Return the one-shot average without the first term of its bias.

    Parameters
    ----------
    X, y, loss, penalty, tolerance, all_reduce, seconds_per_entry
        As for `one_shot_average`.
    fraction : float
        The share, in (0, 1): each rank draws that much of its n_i examples, rounded up, without
        replacement.
    seed : int
        Of the draws; ranks draw apart.

    Returns
    -------
    ndarray of shape (d,)

    Notes
    -----
    One all-reduce of d numbers: each rank corrects its own answer, which is the same.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be in (0, 1), got {fraction!r}")
    penalty, tolerance = non_negative("penalty", penalty), positive("tolerance", tolerance)
    settings = (penalty, tolerance, float(fraction), seed)
    shard = join(comm, X, y, loss, settings, seconds_per_entry)
    n = len(shard.y)
    count = min(math.ceil(fraction * n), n - 1)
    whole = _own_minimiser(comm, shard, loss, penalty, tolerance)
    if count < 1:  # nothing to draw from: this rank's answer stays as it is
        return _average(comm, whole, shard, all_reduce)
    rows = np.random.default_rng([seed, comm.rank]).choice(n, count, replace=False)
    part = Shard(shard.X[rows], shard.y[rows], shard.sizes, seconds_per_entry)
    of_part, share = _own_minimiser(comm, part, loss, penalty, tolerance), count / n
    return _average(comm, (whole - share * of_part) / (1 - share), shard, all_reduce)


def _own_minimiser(
    comm: Communicator, shard: Shard, loss: Loss, penalty: float, tolerance: float
) -> np.ndarray:
    """Return this rank's answer; NaN if it has none, so that all ranks hear of it."""
    if not len(shard.y):
        return np.zeros(shard.num_features)
    try:
        found = solve(Objective(shard.X, shard.y, loss, penalty), tolerance)
    except ValueError:
        return np.full(shard.num_features, np.nan)
    comm.compute(shard.compute_s(2 * num_entries(shard.X) * found.num_passes), "solve")
    return found.weights


def _average(
    comm: Communicator, answer: np.ndarray, shard: Shard, all_reduce: AllReduce
) -> np.ndarray:
    """Return the average by examples, or raise on every rank if one has no answer."""
    average = all_reduce(comm, shard.sizes[comm.rank] / shard.num_examples * answer)
    if not np.isfinite(average).all():
        sound = tell(comm, [int(np.isfinite(answer).all())])[:, 0]
        raise ValueError(
            "penalty must be > 0 where a rank's own problem has no minimum without one, "
            f"as on {names_of(np.flatnonzero(sound == 0))}"
        )
    return average
