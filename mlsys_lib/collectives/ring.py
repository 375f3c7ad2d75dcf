"""Collectives on a ring: each rank sends to its right neighbor and hears from its left.

All-reduce is a reduce-scatter followed by an all-gather (Patarasuk & Yuan, "Bandwidth optimal
all-reduce algorithms for clusters of workstations", JPDC 69(2), 2009,
doi:10.1016/j.jpdc.2008.09.002). Theirs is stated for sizes that divide; here chunks differ by at
most one element.
"""

import numpy as np

from mlsys_lib.collectives.chunks import split
from mlsys_lib.collectives.reduction import combine_for, finish
from mlsys_lib.comm import Communicator


def ring_all_reduce(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Combine `x` over all ranks on a ring; every rank gets the result.

    Parameters
    ----------
    comm : Communicator
        This rank's endpoint; `comm.world_size` is m.
    x : ndarray of any shape, k elements, same shape and dtype on every rank
        Not modified. Another dtype or number of elements on some rank is an error; another shape
        of as many elements is not noticed, since chunks of the flat array travel.
    op : {"sum", "mean", "max", "min"}

    Returns
    -------
    ndarray of x.shape
        Bitwise the same on every rank. Floating sums depend on m in their last bits.

    Notes
    -----
    2 (m - 1) rounds; each rank sends 2 (m - 1) chunks of at most ceil(k / m) elements.
    """
    x = np.asarray(x)
    total = x.flatten()
    chunks = split(total, comm.world_size)
    _reduce_scatter(comm, chunks, op, first=0)  # rank r now owns chunk r + 1
    _all_gather(comm, chunks, first=1)
    return finish(op, total, comm.world_size).reshape(x.shape)


def ring_reduce_scatter(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Combine `x` over all ranks; rank r gets chunk r of the flattened result.

    Returns
    -------
    ndarray of shape (k // m or k // m + 1,)
        The chunk, as `np.array_split` would cut it.

    Notes
    -----
    m - 1 rounds; each rank sends m - 1 chunks, all but its own.
    """
    flat = np.asarray(x).flatten()
    chunks = split(flat, comm.world_size)
    _reduce_scatter(comm, chunks, op, first=-1)
    return finish(op, chunks[comm.rank].copy(), comm.world_size)


def ring_all_gather(comm: Communicator, x: np.ndarray) -> np.ndarray:
    """Stack the arrays of all ranks; every rank gets the stack.

    Returns
    -------
    ndarray of shape (m, *x.shape)

    Notes
    -----
    m - 1 rounds; each rank sends m - 1 arrays.
    """
    x = np.asarray(x)
    stack = np.empty((comm.world_size, *x.shape), x.dtype)
    stack[comm.rank] = x
    _all_gather(comm, [stack[r, ...] for r in range(comm.world_size)], first=0)
    return stack


def _reduce_scatter(comm: Communicator, chunks: list[np.ndarray], op: str, first: int) -> None:
    """Reduce `chunks` in place until rank r owns chunk r + 1 + first; others hold leftovers.

    In step t, rank r passes on chunk r + first - t, and adds what comes to the one before it.
    """
    combine = combine_for(op, chunks[0].dtype)
    rank, world_size = comm.rank, comm.world_size
    right, left = (rank + 1) % world_size, (rank - 1) % world_size
    inbox = np.empty_like(chunks[0])  # chunk 0 is the largest
    for step in range(world_size - 1):
        send = chunks[(rank + first - step) % world_size]
        mine = chunks[(rank + first - step - 1) % world_size]
        arrived = inbox[: len(mine)]
        comm.send_recv(send, arrived, right, left)
        combine(mine, arrived, out=mine)


def _all_gather(comm: Communicator, chunks: list[np.ndarray], first: int) -> None:
    """Pass finished chunks around; at first rank r owns chunk r + first."""
    rank, world_size = comm.rank, comm.world_size
    right, left = (rank + 1) % world_size, (rank - 1) % world_size
    for step in range(world_size - 1):
        send = chunks[(rank + first - step) % world_size]
        arrives = chunks[(rank + first - step - 1) % world_size]
        comm.send_recv(send, arrives, right, left)
