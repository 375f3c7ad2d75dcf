"""The parameter server: workers push gradients, servers add them up, workers pull the weights.

Li et al., "Scaling distributed machine learning with the parameter server", OSDI 2014. The
parameters are cut into as many shards as there are servers. Ours assigns shards by position,
where the paper hashes keys onto a ring and replicates them.
"""

from collections.abc import Callable, Sequence

import numpy as np

from mlsys_lib.collectives.chunks import split
from mlsys_lib.collectives.reduction import combine_for, finish
from mlsys_lib.comm import Communicator, wait_all
from mlsys_lib.core.validate import integer, positive

Gradient = Callable[[int, int, np.ndarray], np.ndarray]
"""gradient(worker, step, weights): what a worker computes; workers count from 0."""


def parameter_server_all_reduce(
    comm: Communicator, x: np.ndarray, op: str = "sum", num_servers: int = 1
) -> np.ndarray:
    """Combine `x` over all ranks, of which the first `num_servers` also serve one shard each.

    Parameters
    ----------
    x : ndarray of any shape, k elements, same shape and dtype on every rank
        Not modified.
    num_servers : int
        S, from 1 (everything through rank 0) to m (everybody serves an even share).

    Notes
    -----
    2 rounds; each server receives and sends (m - 1) k / S elements. Ranks start with different
    servers, so that no server has to hear from all at the same moment.
    """
    integer("num_servers", num_servers, 1, comm.world_size)
    x = np.asarray(x)
    total = x.flatten()
    combine = combine_for(op, total.dtype)
    shards = split(total, num_servers)
    others = [(comm.rank + i) % comm.world_size for i in range(1, comm.world_size)]
    servers = [
        (comm.rank + i) % num_servers
        for i in range(1, num_servers + 1)
        if (comm.rank + i) % num_servers != comm.rank
    ]
    is_server = comm.rank < num_servers
    mine = shards[comm.rank] if is_server else total[:0]
    pushed = np.empty((len(others) if is_server else 0, len(mine)), total.dtype)
    pushes = [comm.irecv(pushed[i], rank) for i, rank in enumerate(others) if is_server]
    wait_all(pushes + [comm.isend(shards[server], server) for server in servers])
    for rank in range(comm.world_size) if is_server else ():  # in rank order, for one rounding
        if rank != comm.rank:
            combine(mine, pushed[others.index(rank)], out=mine)
    finish(op, mine, comm.world_size)
    pulls = [comm.irecv(shards[server], server) for server in servers]
    wait_all(pulls + [comm.isend(mine, rank) for rank in others if is_server])
    return total.reshape(x.shape)


def train_synchronous(
    comm: Communicator,
    weights: np.ndarray,
    gradient: Gradient,
    num_steps: int,
    learning_rate: float,
    num_servers: int = 1,
    compute_s: float = 0.0,
) -> np.ndarray:
    """Gradient descent with dedicated servers: ranks 0 … S - 1 serve, the others work.

    In every step each server takes its shard of w to w - η · mean of the workers' gradients.

    Parameters
    ----------
    weights : ndarray of shape (k,), floating
        The first weights, the same on every rank. Not modified.
    gradient : callable
        See `Gradient`.
    num_servers : int
        S, at most m - 1.
    compute_s : float
        Seconds of work per gradient, for the simulated clock.

    Returns
    -------
    ndarray of shape (k,)
        The last weights, the same on every rank.

    Notes
    -----
    2 rounds a step; with W workers each server receives and sends W k / S elements a step, each
    worker k.
    """
    weights = checked_weights(comm, weights, num_steps, learning_rate, num_servers)
    shards = split(weights, num_servers)
    workers = range(num_servers, comm.world_size)
    for step in range(num_steps):
        if comm.rank < num_servers:
            _serve_step(comm, shards[comm.rank], workers, learning_rate)
        else:
            comm.compute(compute_s, "gradient")
            _work_step(comm, shards, gradient(comm.rank - num_servers, step, weights))
    if comm.rank < num_servers:  # servers learn each other's shards at the end
        mine = shards[comm.rank].copy()
        peers = [rank for rank in range(num_servers) if rank != comm.rank]
        received = [comm.irecv(shards[peer], peer) for peer in peers]
        wait_all(received + [comm.isend(mine, peer) for peer in peers])
    return weights


def _serve_step(
    comm: Communicator, shard: np.ndarray, workers: Sequence[int], learning_rate: float
) -> None:
    """Add up what the workers push, take the step, and send the new shard."""
    pushed = np.empty((len(workers), len(shard)), shard.dtype)
    wait_all([comm.irecv(pushed[i], worker) for i, worker in enumerate(workers)])
    shard -= learning_rate * pushed.mean(axis=0)
    wait_all([comm.isend(shard, worker) for worker in workers])


def _work_step(comm: Communicator, shards: list[np.ndarray], gradient: np.ndarray) -> None:
    """Push the gradient's shards and pull the new weights into `shards`."""
    gradients = split(gradient, len(shards))
    wait_all([comm.isend(part, server) for server, part in enumerate(gradients)])
    wait_all([comm.irecv(shard, server) for server, shard in enumerate(shards)])


def checked_weights(
    comm: Communicator,
    weights: np.ndarray,
    num_steps: int,
    learning_rate: float,
    num_servers: int,
) -> np.ndarray:
    """Check the parameters that all servers share and return a copy of the weights."""
    weights = np.array(weights)
    if weights.ndim != 1 or weights.dtype.kind != "f":
        raise ValueError(
            f"weights must be one-dimensional and floating, got {weights.dtype} {weights.shape}"
        )
    if comm.world_size < 2:
        raise ValueError("world_size must be >= 2 (a server and a worker), got 1")
    integer("num_servers", num_servers, 1, comm.world_size - 1)
    integer("num_steps", num_steps, 0)
    positive("learning_rate", learning_rate)
    return weights
