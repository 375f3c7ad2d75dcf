"""Passes whole arrays round and keeps one chunk of the sum: m times the bytes."""

import numpy as np


def reduce_scatter(comm, x):
    m, rank = comm.world_size, comm.rank
    total, passing = x.flatten(), x.flatten()
    for _ in range(m - 1):
        arrived = np.empty_like(passing)
        comm.send_recv(passing, arrived, (rank + 1) % m, (rank - 1) % m)
        total += arrived
        passing = arrived
    return np.array_split(total, m)[rank].copy()
