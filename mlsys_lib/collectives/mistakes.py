"""Wrong on purpose: versions that readers meet elsewhere, or write themselves.

The chapter runs them to show what gives them away.
"""

import numpy as np

from mlsys_lib.comm import Communicator


def whole_array_ring_all_reduce(comm: Communicator, x: np.ndarray) -> np.ndarray:
    """Sum `x` on a ring that passes whole arrays around, not chunks.

    The sum is right, up to rounding that differs from rank to rank. But every rank sends
    (m - 1) k elements, where a ring needs 2 (m - 1) / m · k.
    """
    total = np.array(x)
    passing, arrived = total.copy(), np.empty_like(total)
    right, left = (comm.rank + 1) % comm.world_size, (comm.rank - 1) % comm.world_size
    for _ in range(comm.world_size - 1):
        comm.send_recv(passing, arrived, right, left)
        total += arrived
        passing, arrived = arrived, passing
    return total


def send_first_ring_shift(comm: Communicator, x: np.ndarray) -> np.ndarray:
    """Shift `x` by one rank with a blocking send, then a receive: everybody waits for ever."""
    arrived = np.empty_like(x)
    comm.send(x, (comm.rank + 1) % comm.world_size)
    comm.recv(arrived, (comm.rank - 1) % comm.world_size)
    return arrived
