"""Data-parallel training of a network: replicas, their gradients added, and batch normalization.

Each rank holds the whole network and a part of every batch. An all-reduce adds the gradients; each
rank's optimizer takes the same step, so the replicas stay equal to the last bit (Li et al., VLDB
2020). Without batch normalization, or with that of all ranks (`SyncBatchNorm`), they are also equal
to one rank with the whole batch, up to rounding. With each rank's own statistics they are not: the
loss is then another function, and the running statistics differ from rank to rank.
"""

from dataclasses import dataclass

import numpy as np

from mlsys_lib.collectives import AllReduce, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, one_of, positive_int
from mlsys_lib.optimizers.adam import Adam
from mlsys_lib.optimizers.batch_norm import BatchNorm
from mlsys_lib.optimizers.network import Network
from mlsys_lib.optimizers.sync_batch_norm import SyncBatchNorm

NORMS = ("none", "of each rank", "of all ranks")


@dataclass(frozen=True)
class Replica:
    """One rank's outcome.

    Attributes
    ----------
    network : Network
        Its weights are the same on every rank, bitwise; its running statistics with norm "of each
        rank" are not.
    losses : tuple of float
        Mean cross-entropy (nats) of this rank's part of each step's batch, before the step.
    """

    network: Network
    losses: tuple[float, ...]


def train_replica(
    comm: Communicator,
    X: np.ndarray,
    y: np.ndarray,
    hidden: tuple[int, ...] = (32,),
    *,
    num_steps: int,
    batch_size: int,
    learning_rate: float = 1e-3,
    norm: str = "of all ranks",
    seed: int = 0,
    all_reduce: AllReduce = ring_all_reduce,
) -> Replica:
    """Train this rank's replica with Adam on its part of each batch.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        All data, on every rank; a rank reads only its part of each batch.
    y : ndarray of shape (n_samples,), integer
    batch_size : int
        b over all ranks, a multiple of the world size: the mean of means is then the mean.
    norm : {"none", "of each rank", "of all ranks"}
        Whose statistics batch normalization takes.
    seed : int
        For the first weights and the batches, the same on every rank.

    Notes
    -----
    A step adds up all gradients in one all-reduce of k numbers, and with "of all ranks" for each
    hidden layer of width d another 2 d + 1 numbers forwards and 2 d backwards.
    """
    one_of("norm", norm, NORMS)
    if len(X) != len(y):
        raise ValueError(f"y must hold one class for each of {len(X)} rows of X, got {len(y)}")
    positive_int("num_steps", num_steps)
    if integer("batch_size", batch_size, 1, len(y)) % comm.world_size:
        raise ValueError(f"batch_size must be a multiple of {comm.world_size}, got {batch_size}")
    rng, widths = np.random.default_rng(seed), [X.shape[1], *hidden, int(y.max()) + 1]
    network = Network(widths, rng, batch_norm=norm != "none")
    plain = [layer for layer in network.norms if isinstance(layer, BatchNorm)]
    if norm == "of all ranks":
        network.norms = [SyncBatchNorm(comm, layer, all_reduce) for layer in plain]
    adam, losses = Adam(network.weights, learning_rate=learning_rate), []
    for _ in range(num_steps):
        batch = rng.choice(len(y), batch_size, replace=False)
        mine = np.array_split(batch, comm.world_size)[comm.rank]
        loss, gradients = network.loss_and_gradients(X[mine], y[mine])
        adam.step(_mean_over_ranks(comm, gradients, all_reduce))
        losses.append(loss)
    network.norms = [*plain]
    return Replica(network, tuple(losses))


def _mean_over_ranks(
    comm: Communicator, gradients: list[np.ndarray], all_reduce: AllReduce
) -> list[np.ndarray]:
    """Return the gradients of the mean over all ranks, by one all-reduce of all numbers."""
    total = all_reduce(comm, np.concatenate([g.ravel() for g in gradients])) / comm.world_size
    parts = np.split(total, np.cumsum([g.size for g in gradients])[:-1])
    return [part.reshape(g.shape) for part, g in zip(parts, gradients, strict=True)]
