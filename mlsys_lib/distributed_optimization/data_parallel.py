"""Data-parallel descent: each worker's share of the gradient, summed, is the gradient.

One step of gradient descent reads all n examples, n_i on worker i, and sends about two gradients
of d numbers through each worker's link (Chu et al., "Map-reduce for machine learning on multicore",
NIPS 2006). A mini-batch reads b of them and sends as much (Dekel et al., "Optimal distributed
online prediction using mini-batches", JMLR 13, 2012).
"""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from mlsys_lib.collectives import AllReduce, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import non_negative, positive_int
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.outcome import Rounds
from mlsys_lib.distributed_optimization.rows import Table
from mlsys_lib.distributed_optimization.sampling import batches
from mlsys_lib.distributed_optimization.shards import Shard, join, num_entries
from mlsys_lib.distributed_optimization.step_sizes import StepSize, as_rule, probe


def distributed_gradient_descent(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    learning_rate: float | StepSize,
    num_rounds: int,
    *,
    all_reduce: AllReduce = ring_all_reduce,
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
    learning_rate : float, or rule from `step_sizes`
        η, or η of each step.
    num_rounds : int
    all_reduce : callable
        Any all-reduce of `mlsys_lib.collectives`. The ring sends least; with few features and many
        ranks a tree or recursive doubling is faster.
    seconds_per_entry : float
        For the simulated clock; a gradient reads each entry of X twice.

    Returns
    -------
    Rounds
        Equal, but for rounding, to gradient descent on one machine, for every sharding.

    Notes
    -----
    A round is one all-reduce of d numbers, after one of the facts of the shards.
    """
    num_rounds = positive_int("num_rounds", num_rounds)
    rule = as_rule(learning_rate)
    penalty = non_negative("penalty", penalty)
    settings = (penalty, num_rounds, probe(rule, num_rounds))
    shard = join(comm, X, y, loss, settings, seconds_per_entry)
    whole = [(slice(None), shard.num_examples)] * num_rounds
    return _descend(comm, shard, loss, penalty, rule, all_reduce, whole)


def distributed_minibatch_sgd(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    learning_rate: float | StepSize,
    num_rounds: int,
    batch_size: int,
    *,
    sampling: str = "epochs",
    seed: int = 0,
    all_reduce: AllReduce = ring_all_reduce,
    seconds_per_entry: float = 0.0,
) -> Rounds:
    """Minimise the penalised mean loss by gradients of batches that all ranks share.

    Parameters
    ----------
    X, y, loss, penalty, learning_rate, num_rounds, all_reduce, seconds_per_entry
        As for `distributed_gradient_descent`.
    batch_size : int
        b, over all ranks, at most n. Which of a batch are a rank's own is chance: maybe none.
    sampling : str
        How batches are drawn; see `sampling.batches`. Those of an epoch share no example, and
        the last may be smaller.
    seed : int
        Of the batches; the same on every rank, so that nobody has to send which examples.

    Returns
    -------
    Rounds
        The same, but for rounding, for every sharding of the same examples in the same order.

    Notes
    -----
    A round is one all-reduce of d numbers, as for a full gradient.
    """
    num_rounds = positive_int("num_rounds", num_rounds)
    rule = as_rule(learning_rate)
    penalty = non_negative("penalty", penalty)
    settings = (penalty, num_rounds, probe(rule, num_rounds), batch_size, sampling, seed)
    shard = join(comm, X, y, loss, settings, seconds_per_entry)
    rng = np.random.default_rng(seed)
    stream = islice(batches(shard.num_examples, batch_size, sampling, rng), num_rounds)
    own = [(own_rows(comm, shard, batch), len(batch)) for batch in stream]
    return _descend(comm, shard, loss, penalty, rule, all_reduce, own)


def own_rows(comm: Communicator, shard: Shard, batch: np.ndarray) -> np.ndarray:
    """Return which rows of this rank's shard are in a batch of all ranks' examples."""
    first = shard.first_row(comm.rank)
    return np.asarray(batch[(batch >= first) & (batch < first + len(shard.y))] - first)


def _descend(
    comm: Communicator,
    shard: Shard,
    loss: Loss,
    penalty: float,
    rule: StepSize,
    all_reduce: AllReduce,
    own_batches: Sequence[tuple[np.ndarray | slice, int]],
) -> Rounds:
    """Take a step for each batch: (this rank's rows of it, examples of all ranks in it)."""
    weights = np.zeros(shard.num_features)
    history, times = [weights], [comm.now_s()]
    for step, (rows, batch_size) in enumerate(own_batches, start=1):
        X = shard.X[rows]
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is told below
            own = X.T @ loss.slope(X @ weights, shard.y[rows])
            comm.compute(shard.compute_s(2 * num_entries(X)), "gradient")
            gradient = all_reduce(comm, own) / batch_size + penalty * weights
            weights = weights - rule(step - 1) * gradient
        if not np.isfinite(weights).all():
            return Rounds(np.array(history), tuple(times), diverged_at=step)
        history.append(weights)
        times.append(comm.now_s())
    return Rounds(np.array(history), tuple(times))
