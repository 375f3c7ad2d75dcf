"""Sparse push and pull: only the parameters that a worker touches travel, each with its index.

Li et al., OSDI 2014 (see `parameter_server`). Worth it while few parameters are touched: an index
of 4 bytes rides beside every value.
"""

from collections.abc import Callable

import numpy as np

from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, positive

INDEX = np.dtype(np.int32)
COUNT_BYTES = 8


def sparse_step(
    comm: Communicator,
    weights: np.ndarray,
    indices: np.ndarray,
    gradient: Callable[[np.ndarray], np.ndarray],
    learning_rate: float,
) -> np.ndarray | None:
    """One step: each worker pulls what it touches, computes, and pushes the gradient of that.

    Parameters
    ----------
    weights : ndarray of shape (k,), floating
        Read by rank 0, the server. Not modified.
    indices : ndarray of shape (n,), integer
        What this rank touches; ignored on the server.
    gradient : callable
        gradient(values): from the pulled values, shape (n,), to their gradient.

    Returns
    -------
    ndarray of shape (k,), or None
        The new weights on rank 0; workers get None.

    Notes
    -----
    All workers see the old weights; their gradients are applied in rank order. A worker that
    touches n parameters sends 16 + n (8 + itemsize) bytes and receives n · itemsize.
    """
    if comm.rank != 0:
        values = pull_sparse(comm, 0, indices, weights.dtype)
        push_sparse(comm, 0, indices, gradient(values))
        return None
    weights = np.array(weights)
    for worker in range(1, comm.world_size):
        serve_pull(comm, worker, weights)
    for worker in range(1, comm.world_size):
        serve_push(comm, worker, weights, learning_rate)
    return weights


def push_sparse(comm: Communicator, server: int, indices: np.ndarray, values: np.ndarray) -> None:
    """Send the entries ``gradient[indices] = values`` to the server.

    Parameters
    ----------
    indices : ndarray of shape (n,), integer
        Which parameters; repeated ones add up.
    values : ndarray of shape (n,)

    Notes
    -----
    8 + n (4 + itemsize) bytes in 3 messages: how many, which, what.
    """
    indices = _checked_indices(indices)
    values = np.asarray(values)
    if values.shape != indices.shape:
        raise ValueError(
            f"values must have the shape of indices {indices.shape}, got {values.shape}"
        )
    comm.send(np.array(len(indices), np.int64), server)
    comm.send(indices, server)
    comm.send(values, server)


def serve_push(comm: Communicator, worker: int, weights: np.ndarray, learning_rate: float) -> None:
    """Receive a sparse push and step against it: w[i] -= η · value, in place."""
    positive("learning_rate", learning_rate)
    indices = _receive_indices(comm, worker, len(weights))
    values = np.empty(len(indices), weights.dtype)
    comm.recv(values, worker)
    np.subtract.at(weights, indices, learning_rate * values)


def pull_sparse(
    comm: Communicator, server: int, indices: np.ndarray, dtype: np.dtype | type = np.float64
) -> np.ndarray:
    """Ask the server for ``weights[indices]``.

    Returns
    -------
    ndarray of shape (n,), `dtype`

    Notes
    -----
    8 + 4 n bytes to the server, n · itemsize back.
    """
    indices = _checked_indices(indices)
    comm.send(np.array(len(indices), np.int64), server)
    comm.send(indices, server)
    values = np.empty(len(indices), dtype)
    comm.recv(values, server)
    return values


def serve_pull(comm: Communicator, worker: int, weights: np.ndarray) -> None:
    """Answer one `pull_sparse`."""
    indices = _receive_indices(comm, worker, len(weights))
    comm.send(weights[indices], worker)


def sparse_bytes(num_entries: int, itemsize: int) -> int:
    """Return the bytes of one push: a count, and an index and a value for each entry."""
    return COUNT_BYTES + integer("num_entries", num_entries, 0) * (INDEX.itemsize + itemsize)


def _checked_indices(indices: np.ndarray) -> np.ndarray:
    indices = np.asarray(indices)
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise ValueError(
            "indices must be a one-dimensional array of integers, got "
            f"{indices.dtype} {indices.shape}"
        )
    if indices.size and not 0 <= indices.min() <= indices.max() < 2**31:
        raise ValueError(f"indices must be in 0…2**31 - 1, got {indices.min()}…{indices.max()}")
    return indices.astype(INDEX)


def _receive_indices(comm: Communicator, worker: int, num_weights: int) -> np.ndarray:
    count = np.empty((), np.int64)
    comm.recv(count, worker)
    indices = np.empty(int(count), INDEX)
    comm.recv(indices, worker)
    if indices.size and indices.max() >= num_weights:
        raise ValueError(
            f"indices must be below the number of weights ({num_weights}), "
            f"got {indices.max()} from rank {worker}"
        )
    return indices
