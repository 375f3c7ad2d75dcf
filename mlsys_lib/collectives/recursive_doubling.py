"""All-reduce by recursive doubling: partners at distance 1, 2, 4, … swap all that they have.

Thakur, Rabenseifner & Gropp 2005 (see `tree`). A number of ranks that is no power of two is
folded first: the ranks beyond the power hand their array to a partner and get the result back.
"""

import numpy as np

from mlsys_lib.collectives.reduction import combine_for, finish
from mlsys_lib.comm import Communicator


def recursive_doubling_all_reduce(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Combine `x` over all ranks; every rank gets the result, bitwise the same.

    Notes
    -----
    log2 m rounds of k elements; 2 more if m is no power of two.
    """
    total = np.array(x)
    combine = combine_for(op, total.dtype)
    arrived = np.empty_like(total)
    power, is_extra = fold(comm, total, op)
    if not is_extra:
        distance = 1
        while distance < power:
            partner = comm.rank ^ distance
            comm.send_recv(total, arrived, partner, partner)
            pair = (total, arrived) if comm.rank < partner else (arrived, total)
            combine(*pair, out=total)  # lower rank first, so that ±0 and NaN agree too
            distance *= 2
    unfold(comm, total, power)
    return finish(op, total, comm.world_size)


def largest_power_of_two(world_size: int) -> int:
    """Return the largest power of two that is at most `world_size`."""
    return 1 << (world_size.bit_length() - 1)


def fold(comm: Communicator, total: np.ndarray, op: str) -> tuple[int, bool]:
    """Let ranks p … m - 1 hand their array to rank - p, where p is the largest power of two.

    Returns
    -------
    power : int
        p, the number of ranks that go on.
    is_extra : bool
        Whether this rank has handed its array over and is done until `unfold`.
    """
    power = largest_power_of_two(comm.world_size)
    if comm.rank >= power:
        comm.send(total, comm.rank - power)
        return power, True
    if comm.rank + power < comm.world_size:
        arrived = np.empty_like(total)
        comm.recv(arrived, comm.rank + power)
        combine_for(op, total.dtype)(total, arrived, out=total)
    return power, False


def unfold(comm: Communicator, total: np.ndarray, power: int) -> None:
    """Give the result back to the ranks that `fold` sent home."""
    if comm.rank >= power:
        comm.recv(total, comm.rank - power)
    elif comm.rank + power < comm.world_size:
        comm.send(total, comm.rank + power)
