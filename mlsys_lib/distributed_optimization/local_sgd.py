"""Local SGD: workers step on their own, and average their weights now and then.

Zinkevich et al., NIPS 2010, average once, at the end; Stich, "Local SGD converges fast and
communicates little", ICLR 2019, arXiv:1805.09767, every H steps. Ours weighs workers by their
examples, and each goes through its own in shuffled epochs.
"""

from itertools import islice

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import non_negative, positive_int
from mlsys_lib.distributed_optimization.data_parallel import Rate, as_rate, draws
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.outcome import Rounds
from mlsys_lib.distributed_optimization.rows import Table
from mlsys_lib.distributed_optimization.shards import join, num_entries


def local_sgd(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    learning_rate: float | Rate,
    num_rounds: int,
    num_local_steps: int,
    batch_size: int,
    *,
    seed: int = 0,
    seconds_per_entry: float = 0.0,
) -> Rounds:
    """Minimise the penalised mean loss by H own steps between averages.

    Parameters
    ----------
    X : Table of shape (n_i, d)
        This rank's examples; a rank without any takes no steps and has no say.
    y : ndarray of shape (n_i,)
    loss : Loss
    penalty : float
        λ ≥ 0.
    learning_rate : float or callable
        η, or η of each step; steps of all rounds are counted from 1.
    num_rounds : int
        Averages.
    num_local_steps : int
        H, own steps before each.
    batch_size : int
        b_i, of the rank's own examples; one with fewer takes all of them in every step.
    seed : int
        Of the batches; ranks draw apart.
    seconds_per_entry : float
        For the simulated clock; a step reads its rows twice.

    Returns
    -------
    Rounds
        With H = 1 and full batches: gradient descent. With unlike shards and a constant η, H > 1
        ends beside the minimum.

    Notes
    -----
    A round is one ring all-reduce of d numbers, whatever H.
    """
    num_rounds = positive_int("num_rounds", num_rounds)
    num_local_steps = positive_int("num_local_steps", num_local_steps)
    rate, own_seed = as_rate(learning_rate), [seed, comm.rank]
    positive_int("batch_size", batch_size)
    settings = (non_negative("penalty", penalty), num_rounds, num_local_steps, batch_size, seed)
    shard = join(comm, X, y, loss, settings, seconds_per_entry)
    n = len(shard.y)
    batches = draws(max(n, 1), min(batch_size, max(n, 1)), False, np.random.default_rng(own_seed))
    weights = np.zeros(shard.num_features)
    history, times = [weights], [comm.now_s()]
    for step in range(1, num_rounds + 1):
        local = weights
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is told below
            for own_step, rows in enumerate(islice(batches, num_local_steps if n else 0), start=1):
                X_batch = shard.X[rows]
                slopes = loss.slope(X_batch @ local, shard.y[rows])
                gradient = X_batch.T @ slopes / len(rows) + penalty * local
                local = local - rate((step - 1) * num_local_steps + own_step) * gradient
                comm.compute(shard.compute_s(2 * num_entries(X_batch)), "own step")
            weights = ring_all_reduce(comm, n / shard.num_examples * local)
        if not np.isfinite(weights).all():
            return Rounds(np.array(history), tuple(times), diverged_at=step)
        history.append(weights)
        times.append(comm.now_s())
    return Rounds(np.array(history), tuple(times))
