"""Local SGD: workers step on their own, and average their weights now and then.

Zinkevich et al., NIPS 2010, average once, at the end; Stich, "Local SGD converges fast and
communicates little", ICLR 2019, arXiv:1805.09767, every H steps. Ours weighs workers by their
examples, and each goes through its own in shuffled epochs.
"""

from itertools import islice

import numpy as np

from mlsys_lib.collectives import AllReduce, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import non_negative, positive_int
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.outcome import Rounds
from mlsys_lib.distributed_optimization.rows import Table
from mlsys_lib.distributed_optimization.sampling import batches
from mlsys_lib.distributed_optimization.shards import join, num_entries
from mlsys_lib.distributed_optimization.step_sizes import StepSize, as_rule, probe


def local_sgd(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    learning_rate: float | StepSize,
    num_rounds: int,
    num_local_steps: int,
    batch_size: int,
    *,
    seed: int = 0,
    all_reduce: AllReduce = ring_all_reduce,
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
    learning_rate : float, or rule from `step_sizes`
        η, or η of each own step, counted over all rounds.
    num_rounds : int
        Averages.
    num_local_steps : int
        H, own steps before each.
    batch_size : int
        b_i, of the rank's own examples; one with fewer takes all of them in every step.
    seed : int
        Of the batches; ranks draw apart.
    all_reduce : callable
        Any all-reduce of `mlsys_lib.collectives`. The ring sends least; with few features and many
        ranks a tree or recursive doubling is faster.
    seconds_per_entry : float
        For the simulated clock; a step reads its rows twice.

    Returns
    -------
    Rounds
        With H = 1 and full batches: gradient descent. With unlike shards and a constant η, H > 1
        ends beside the minimum.

    Notes
    -----
    A round is one all-reduce of d numbers, whatever H.
    """
    num_rounds = positive_int("num_rounds", num_rounds)
    num_local_steps = positive_int("num_local_steps", num_local_steps)
    rule, own_seed = as_rule(learning_rate), [seed, comm.rank]
    positive_int("batch_size", batch_size)
    penalty, num_steps = non_negative("penalty", penalty), num_rounds * num_local_steps
    settings = (penalty, num_rounds, probe(rule, num_steps), num_local_steps, batch_size, seed)
    shard = join(comm, X, y, loss, settings, seconds_per_entry)
    n = len(shard.y)
    rng = np.random.default_rng(own_seed)
    stream = batches(n, min(batch_size, n), "epochs", rng) if n else iter(())
    weights = np.zeros(shard.num_features)
    history, times, taken = [weights], [comm.now_s()], 0
    for step in range(1, num_rounds + 1):
        local = weights
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is told below
            for rows in islice(stream, num_local_steps):
                X_batch = shard.X[rows]
                slopes = loss.slope(X_batch @ local, shard.y[rows])
                gradient = X_batch.T @ slopes / len(rows) + penalty * local
                local = local - rule(taken) * gradient
                taken += 1
                comm.compute(shard.compute_s(2 * num_entries(X_batch)), "own step")
            weights = all_reduce(comm, n / shard.num_examples * local)
        if not np.isfinite(weights).all():
            return Rounds(np.array(history), tuple(times), diverged_at=step)
        history.append(weights)
        times.append(comm.now_s())
    return Rounds(np.array(history), tuple(times))
