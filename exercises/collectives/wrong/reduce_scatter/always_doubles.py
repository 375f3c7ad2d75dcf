"""Adds in a copy of doubles, so whole numbers come back as floats."""

import numpy as np


def reduce_scatter(comm, x):
    m, rank = comm.world_size, comm.rank
    chunks = np.array_split(x.flatten().astype(np.float64), m)
    for step in range(m - 1):
        passed_on = chunks[(rank - 1 - step) % m]
        added_to = chunks[(rank - 2 - step) % m]
        arrived = np.empty_like(added_to)
        comm.send_recv(passed_on, arrived, (rank + 1) % m, (rank - 1) % m)
        added_to += arrived
    return chunks[rank].copy()
