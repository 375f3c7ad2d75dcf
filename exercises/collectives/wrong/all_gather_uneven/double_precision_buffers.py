"""Makes buffers of float64, whatever the dtype of x."""

import numpy as np


def all_gather_uneven(comm, x):
    m, rank = comm.world_size, comm.rank
    lengths = [np.array([len(x)]) if r == rank else np.empty(1, np.int64) for r in range(m)]
    for step in range(1, m):
        dst, src = (rank + step) % m, (rank - step) % m
        comm.send_recv(lengths[rank], lengths[src], dst, src)
    arrays = [np.empty(int(length[0])) for length in lengths]
    arrays[rank] = x.copy()
    for step in range(1, m):
        dst, src = (rank + step) % m, (rank - step) % m
        comm.send_recv(x, arrays[src], dst, src)
    return arrays
