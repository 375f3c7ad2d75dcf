"""Starts with the chunk of its own number, so rank r ends with chunk r + 1."""

import numpy as np


def reduce_scatter(comm, x):
    m, rank = comm.world_size, comm.rank
    chunks = np.array_split(x.flatten(), m)
    for step in range(m - 1):
        passed_on = chunks[(rank - step) % m]
        added_to = chunks[(rank - 1 - step) % m]
        arrived = np.empty_like(added_to)
        comm.send_recv(passed_on, arrived, (rank + 1) % m, (rank - 1) % m)
        added_to += arrived
    return chunks[(rank + 1) % m].copy()
