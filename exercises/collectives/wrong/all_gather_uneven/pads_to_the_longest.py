"""Pads every array to the longest one, and sends the padding too."""

import numpy as np


def all_gather_uneven(comm, x):
    m, rank = comm.world_size, comm.rank
    lengths = [np.array([len(x)]) if r == rank else np.empty(1, np.int64) for r in range(m)]
    for step in range(1, m):
        dst, src = (rank + step) % m, (rank - step) % m
        comm.send_recv(lengths[rank], lengths[src], dst, src)
    longest = max(int(length[0]) for length in lengths)
    stack = np.zeros((m, longest), x.dtype)
    stack[rank, : len(x)] = x
    for step in range(1, m):
        dst, src = (rank + step) % m, (rank - step) % m
        comm.send_recv(stack[rank], stack[src], dst, src)
    return [stack[r, : int(lengths[r][0])].copy() for r in range(m)]
