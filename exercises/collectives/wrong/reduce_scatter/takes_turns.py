"""Sends, and only then receives: the right sum in up to three times the rounds."""

import numpy as np


def reduce_scatter(comm, x):
    m, rank = comm.world_size, comm.rank
    chunks = np.array_split(x.flatten(), m)
    for step in range(m - 1):
        passed_on = chunks[(rank - 1 - step) % m]
        added_to = chunks[(rank - 2 - step) % m]
        arrived = np.empty_like(added_to)
        if rank % 2:
            comm.recv(arrived, (rank - 1) % m)
            comm.send(passed_on, (rank + 1) % m)
        else:
            comm.send(passed_on, (rank + 1) % m)
            comm.recv(arrived, (rank - 1) % m)
        added_to += arrived
    return chunks[rank].copy()
