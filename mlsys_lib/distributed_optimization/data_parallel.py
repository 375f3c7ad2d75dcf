"""Data-parallel descent: each worker's share of the gradient, summed, is the gradient.

One step of gradient descent reads all n examples, n_i on worker i, and sends about two gradients
of d numbers through each worker's link (Chu et al., "Map-reduce for machine learning on multicore",
NIPS 2006). A mini-batch reads b of them and sends as much (Dekel et al., "Optimal distributed
online prediction using mini-batches", JMLR 13, 2012).
"""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, non_negative, positive, positive_int
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.outcome import Rounds
from mlsys_lib.distributed_optimization.rows import Table
from mlsys_lib.distributed_optimization.shards import Shard, join, num_entries

Rate = Callable[[int], float]
"""A step size for each step, the first of which is 1."""


def distributed_gradient_descent(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    learning_rate: float | Rate,
    num_rounds: int,
    *,
    seconds_per_entry: float = 0.0,
) -> Rounds:
    """Minimise the penalised mean loss over all ranks' examples by full gradients.

    Parameters
    ----------
    X : Table of shape (n_i, d)
        This rank's examples, maybe none; the penalised mean goes over those of all ranks.
    y : ndarray of shape (n_i,)
    loss : Loss
    penalty : float
        λ ≥ 0.
    learning_rate : float or callable
        η, or η of each step.
    num_rounds : int
    seconds_per_entry : float
        For the simulated clock; a gradient reads each entry of X twice.

    Returns
    -------
    Rounds
        Equal, but for rounding, to gradient descent on one machine, for every sharding.

    Notes
    -----
    A round is one ring all-reduce of d numbers, after one of the facts of the shards.
    """
    num_rounds = positive_int("num_rounds", num_rounds)
    rate = as_rate(learning_rate)
    shard = join(comm, X, y, loss, (penalty, num_rounds), seconds_per_entry)
    everything = np.arange(shard.X.shape[0])
    batches = [(everything, shard.num_examples)] * num_rounds
    return _descend(comm, shard, loss, penalty, rate, batches)


def distributed_minibatch_sgd(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    learning_rate: float | Rate,
    num_rounds: int,
    batch_size: int,
    *,
    replace: bool = False,
    seed: int = 0,
    seconds_per_entry: float = 0.0,
) -> Rounds:
    """Minimise the penalised mean loss by gradients of batches that all ranks share.

    Parameters
    ----------
    X, y, loss, penalty, learning_rate, num_rounds, seconds_per_entry
        As for `distributed_gradient_descent`.
    batch_size : int
        b, over all ranks, at most n. Which of a batch are a rank's own is chance: maybe none.
    replace : bool
        Draw every example anew from all n. By default batches of an epoch share no example, and
        the last may be smaller.
    seed : int
        Of the batches; the same on every rank, so that nobody has to send which examples.

    Returns
    -------
    Rounds
        The same, but for rounding, for every sharding of the same examples in the same order.

    Notes
    -----
    A round is one ring all-reduce of d numbers, as for a full gradient.
    """
    num_rounds = positive_int("num_rounds", num_rounds)
    rate = as_rate(learning_rate)
    settings = (penalty, num_rounds, batch_size, replace, seed)
    shard = join(comm, X, y, loss, settings, seconds_per_entry)
    integer("batch_size", batch_size, 1, shard.num_examples)
    every = draws(shard.num_examples, batch_size, replace, np.random.default_rng(seed))
    batches = [(own_rows(comm, shard, b), len(b)) for b in islice(every, num_rounds)]
    return _descend(comm, shard, loss, penalty, rate, batches)


def draws(
    num_examples: int, batch_size: int, replace: bool, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield the examples of one batch after the other, without end: in epochs unless `replace`."""
    while True:
        if replace:
            yield rng.integers(num_examples, size=batch_size)
            continue
        order = rng.permutation(num_examples)
        for start in range(0, num_examples, batch_size):
            yield order[start : start + batch_size]


def own_rows(comm: Communicator, shard: Shard, batch: np.ndarray) -> np.ndarray:
    """Return which rows of this rank's shard are in a batch of all ranks' examples."""
    first = shard.first_row(comm.rank)
    return np.asarray(batch[(batch >= first) & (batch < first + len(shard.y))] - first)


def _descend(
    comm: Communicator,
    shard: Shard,
    loss: Loss,
    penalty: float,
    rate: Rate,
    batches: list[tuple[np.ndarray, int]],
) -> Rounds:
    """Take a step for each batch: (this rank's rows of it, examples of all ranks in it)."""
    non_negative("penalty", penalty)
    weights = np.zeros(shard.num_features)
    history, times = [weights], [comm.now_s()]
    for step, (rows, batch_size) in enumerate(batches, start=1):
        X = shard.X[rows]
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is told below
            own = X.T @ loss.slope(X @ weights, shard.y[rows])
            comm.compute(shard.compute_s(2 * num_entries(X)), "gradient")
            gradient = ring_all_reduce(comm, own) / batch_size + penalty * weights
            weights = weights - rate(step) * gradient
        if not np.isfinite(weights).all():
            return Rounds(np.array(history), tuple(times), diverged_at=step)
        history.append(weights)
        times.append(comm.now_s())
    return Rounds(np.array(history), tuple(times))


def as_rate(learning_rate: float | Rate) -> Rate:
    """Return a step size for each step, of one or of such a rule."""
    if callable(learning_rate):
        return learning_rate
    constant = positive("learning_rate", learning_rate)
    return lambda step: constant
