"""Mini-batch dual coordinate ascent: what CoCoA improves on.

Takáč et al., "Mini-batch primal and dual methods for SVMs", ICML 2013, arXiv:1303.2314. In a round,
every example of a batch takes its dual step at the *same* w, and all steps are added. So that
together they do not overshoot, each is taken as if its row were longer: its squared length is
multiplied by

    β = 1 + (b - 1) (ρ - 1) / (n - 1),     ρ = largest eigenvalue of XᵀX, if rows had length one

which lies between 1 (rows that do not overlap) and b (rows that are all alike). Ours is the paper's
method with a batch drawn over all ranks, for rows of any length and every loss with a dual step.
"""

from itertools import islice

import numpy as np

from mlsys_lib.collectives import AllReduce, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, non_negative, positive, positive_int
from mlsys_lib.distributed_optimization.certificate import Dual, Trace, loss_sums
from mlsys_lib.distributed_optimization.data_parallel import own_rows
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.objective import largest_eigenvalue
from mlsys_lib.distributed_optimization.rows import Table, squared_norms, with_unit_rows
from mlsys_lib.distributed_optimization.sampling import batches
from mlsys_lib.distributed_optimization.shards import join, num_entries


def safe_batch_scale(X: Table, batch_size: int) -> float:
    """Return β for batches of `batch_size` rows of X, all of which this machine must see.

    >>> safe_batch_scale(np.eye(4), 3), safe_batch_scale(np.ones((4, 2)), 3)
    (1.0, 3.0)
    """
    integer("batch_size", batch_size, 1, X.shape[0])
    if X.shape[0] == 1:
        return 1.0
    overlap = max(1.0, largest_eigenvalue(with_unit_rows(X)))
    return float(1 + (batch_size - 1) * (overlap - 1) / (X.shape[0] - 1))


def minibatch_sdca(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    num_rounds: int,
    batch_size: int,
    batch_scale: float,
    *,
    tolerance: float = 0.0,
    seed: int = 0,
    all_reduce: AllReduce = ring_all_reduce,
    seconds_per_entry: float = 0.0,
) -> Dual:
    """Minimise the penalised mean loss by dual steps of batches that all ranks share.

    Parameters
    ----------
    X, y, loss, penalty, num_rounds, tolerance, all_reduce, seconds_per_entry
        As for `cocoa`.
    batch_size : int
        b, over all ranks, at most n.
    batch_scale : float
        β ≥ 1; `safe_batch_scale` gives one that cannot diverge.
    seed : int
        Of the batches, the same on every rank.

    Returns
    -------
    Dual
        Without `thetas`: no local problem is solved.

    Notes
    -----
    A round costs as much as one of `cocoa`: one ring all-reduce of d + 2 numbers.
    """
    num_rounds, penalty = positive_int("num_rounds", num_rounds), positive("penalty", penalty)
    tolerance = non_negative("tolerance", tolerance)
    if positive("batch_scale", batch_scale) < 1:
        raise ValueError(f"batch_scale must be >= 1, got {batch_scale}")
    batch_scale = float(batch_scale)
    settings = (penalty, num_rounds, batch_size, batch_scale, tolerance, seed)
    shard = join(comm, X, y, loss, settings, seconds_per_entry)
    shrink = penalty * shard.num_examples
    sizes = batch_scale / shrink * squared_norms(shard.X)
    dual, weights = np.zeros(len(shard.y)), np.zeros(shard.num_features)
    trace = Trace(comm, shard, penalty)
    trace.note(weights)
    stream = batches(shard.num_examples, batch_size, "epochs", np.random.default_rng(seed))
    for step, batch in enumerate(islice(stream, num_rounds), start=1):
        rows = own_rows(comm, shard, batch)
        X_batch = shard.X[rows]
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is told below
            sums = loss_sums(shard, loss, weights, dual)
            before = dual[rows]
            states = zip(before, shard.y[rows], X_batch @ weights, sizes[rows], strict=True)
            after = np.array([loss.best_dual(*state) for state in states])
            comm.compute(shard.compute_s(2 * num_entries(X_batch)), "dual steps")
            change = X_batch.T @ (after - before) / shrink
            together = all_reduce(comm, np.concatenate([change, sums]))
            moved = weights + together[:-2]
            gap = trace.certify(weights, together[-2:])
        if gap <= tolerance:
            return trace.outcome(dual)
        if not np.isfinite(moved).all():
            return trace.outcome(dual, diverged_at=step)
        dual[rows], weights = after, moved
        trace.note(weights)
    trace.certify(weights, all_reduce(comm, loss_sums(shard, loss, weights, dual)))
    return trace.outcome(dual)
