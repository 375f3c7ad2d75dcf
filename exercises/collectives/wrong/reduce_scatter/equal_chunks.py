"""Cuts into k // m numbers each and drops what is left over."""

import numpy as np


def reduce_scatter(comm, x):
    m, rank = comm.world_size, comm.rank
    size = x.size // m
    chunks = list(x.flatten()[: size * m].reshape(m, size))
    for step in range(m - 1):
        passed_on = chunks[(rank - 1 - step) % m]
        added_to = chunks[(rank - 2 - step) % m]
        arrived = np.empty_like(added_to)
        comm.send_recv(passed_on, arrived, (rank + 1) % m, (rank - 1) % m)
        added_to += arrived
    return chunks[rank].copy()
