"""Passes whole arrays round: the sum is right up to rounding, the bytes are not."""

import numpy as np


def ring_all_reduce(comm, x):
    total, passing, arrived = x.copy(), x.copy(), np.empty_like(x)
    right, left = (comm.rank + 1) % comm.world_size, (comm.rank - 1) % comm.world_size
    for _ in range(comm.world_size - 1):
        comm.send_recv(passing, arrived, right, left)
        total += arrived
        passing, arrived = arrived, passing
    return total
