"""Collectives in which every rank talks to every other: all-to-all and the barrier."""

import numpy as np

from mlsys_lib.comm import Communicator


def all_to_all(comm: Communicator, x: np.ndarray) -> np.ndarray:
    """Send row s of `x` to rank s, and return what the others sent: a transpose.

    Parameters
    ----------
    x : ndarray of shape (m, …), same shape and dtype on every rank
        Not modified.

    Returns
    -------
    ndarray of x.shape
        Row s came from rank s.

    Notes
    -----
    m - 1 rounds of one row (pairwise exchange): in round t, rank r sends to r + t and hears
    from r - t.
    """
    x = np.asarray(x)
    rank, world_size = comm.rank, comm.world_size
    if x.ndim == 0 or len(x) != world_size:
        raise ValueError(f"x must have one row per rank ({world_size}), got shape {x.shape}")
    result = np.empty_like(x)
    result[rank] = x[rank]
    for step in range(1, world_size):
        dst, src = (rank + step) % world_size, (rank - step) % world_size
        comm.send_recv(x[dst, ...], result[src, ...], dst, src)
    return result


def barrier(comm: Communicator) -> None:
    """Return when every rank has called it.

    Notes
    -----
    ceil(log2 m) rounds of empty messages (dissemination: Hensgen, Finkel & Manber, 1988).
    """
    distance, nothing = 1, np.empty(0)
    while distance < comm.world_size:
        dst, src = (
            (comm.rank + distance) % comm.world_size,
            (comm.rank - distance) % comm.world_size,
        )
        comm.send_recv(nothing, nothing.copy(), dst, src)
        distance *= 2
