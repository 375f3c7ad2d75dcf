"""Collectives in which one rank talks to every other: gather, scatter, and the naive all-reduce.

The root's messages are under way together, so a gather is one round; but all bytes pass through
the root's one port.
"""

import numpy as np

from mlsys_lib.collectives.reduction import combine_for, finish
from mlsys_lib.comm import Communicator, wait_all
from mlsys_lib.core.validate import integer


def gather(comm: Communicator, x: np.ndarray, root: int = 0) -> np.ndarray | None:
    """Stack the arrays of all ranks at `root`; the others get None.

    Returns
    -------
    ndarray of shape (m, *x.shape), or None

    Notes
    -----
    1 round; the root receives m - 1 arrays.
    """
    integer("root", root, 0, comm.world_size - 1)
    x = np.asarray(x)
    if comm.rank != root:
        comm.send(x, root)
        return None
    stack = np.empty((comm.world_size, *x.shape), x.dtype)
    stack[root] = x
    others = [rank for rank in range(comm.world_size) if rank != root]
    wait_all([comm.irecv(stack[rank, ...], rank) for rank in others])
    return stack


def scatter(comm: Communicator, x: np.ndarray, root: int = 0) -> np.ndarray:
    """Hand row r of `root`'s `x` to rank r.

    Parameters
    ----------
    x : ndarray of shape (m, …), same shape and dtype on every rank
        Only `root`'s values matter. Not modified.

    Notes
    -----
    1 round; the root sends m - 1 rows.
    """
    integer("root", root, 0, comm.world_size - 1)
    x = np.asarray(x)
    if x.ndim == 0 or len(x) != comm.world_size:
        raise ValueError(f"x must have one row per rank ({comm.world_size}), got shape {x.shape}")
    row = np.array(x[comm.rank, ...])
    if comm.rank == root:
        others = [rank for rank in range(comm.world_size) if rank != root]
        wait_all([comm.isend(x[rank, ...], rank) for rank in others])
    else:
        comm.recv(row, root)
    return row


def naive_all_reduce(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Combine `x` over all ranks at rank 0, which sends the result to each of them.

    Notes
    -----
    2 rounds; (m - 1) k elements into rank 0 and as many out of it.
    """
    x = np.asarray(x)
    combine = combine_for(op, x.dtype)
    stack = gather(comm, x)
    if stack is None:
        total = np.empty_like(x)
        comm.recv(total, 0)
        return total
    total = np.empty_like(x)
    combine.reduce(stack, axis=0, dtype=x.dtype, out=total)  # int32 stays int32
    finish(op, total, comm.world_size)
    wait_all([comm.isend(total, rank) for rank in range(1, comm.world_size)])
    return total
