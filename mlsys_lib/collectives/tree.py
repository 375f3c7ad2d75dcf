"""Collectives on a binomial tree: in each round, those who know tell those who do not.

Thakur, Rabenseifner & Gropp, "Optimization of collective communication operations in MPICH",
IJHPCA 19(1), 2005, doi:10.1177/1094342005051521. Works for any number of ranks.
"""

import numpy as np

from mlsys_lib.collectives.reduction import Operation, combine_for, finish
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer


def tree_broadcast(comm: Communicator, x: np.ndarray, root: int = 0) -> np.ndarray:
    """Give every rank a copy of `root`'s `x`.

    Parameters
    ----------
    x : ndarray of any shape, same shape and dtype on every rank
        Only `root`'s values matter; the others say what to expect. Not modified.

    Notes
    -----
    ceil(log2 m) rounds; the root sends up to ceil(log2 m) times.
    """
    place = _place(comm, root)
    result = np.array(x)
    distance = 1
    while distance < comm.world_size:
        distance *= 2
    if place:
        distance = place & -place  # the lowest bit tells the round in which we are told
        comm.recv(result, _rank_at(comm, place - distance, root))
    while distance > 1:
        distance //= 2
        if place + distance < comm.world_size:
            comm.send(result, _rank_at(comm, place + distance, root))
    return result


def tree_reduce(
    comm: Communicator, x: np.ndarray, root: int = 0, op: str | Operation = "sum"
) -> np.ndarray | None:
    """Combine `x` over all ranks; `root` gets the result, the others None.

    Parameters
    ----------
    op : {"sum", "mean", "max", "min"} or Operation
        An operation of one's own sees whole arrays, so it may compare rows.

    Notes
    -----
    ceil(log2 m) rounds; every rank but the root sends once.
    """
    place = _place(comm, root)
    total = np.array(x)
    combine = combine_for(op, total.dtype) if isinstance(op, str) else op
    arrived = np.empty_like(total)
    distance = 1
    while distance < comm.world_size:
        if place & distance:
            comm.send(total, _rank_at(comm, place - distance, root))
            return None
        if place + distance < comm.world_size:
            comm.recv(arrived, _rank_at(comm, place + distance, root))
            combine(total, arrived, out=total)
        distance *= 2
    return finish(op, total, comm.world_size)


def tree_all_reduce(comm: Communicator, x: np.ndarray, op: str | Operation = "sum") -> np.ndarray:
    """Combine `x` over all ranks: reduce to rank 0, then broadcast.

    Notes
    -----
    2 ceil(log2 m) rounds of k elements.
    """
    total = tree_reduce(comm, x, 0, op)
    return tree_broadcast(comm, np.array(x) if total is None else total)


def _place(comm: Communicator, root: int) -> int:
    """Return this rank's place in a tree whose place 0 is `root`."""
    integer("root", root, 0, comm.world_size - 1)
    return (comm.rank - root) % comm.world_size


def _rank_at(comm: Communicator, place: int, root: int) -> int:
    return (place + root) % comm.world_size
