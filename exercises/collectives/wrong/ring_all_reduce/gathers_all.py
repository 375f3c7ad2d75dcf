"""Gathers everybody's array everywhere and adds: the same bits, m / 2 times the bytes."""

import numpy as np


def ring_all_reduce(comm, x):
    m, rank = comm.world_size, comm.rank
    stack = np.empty((m, *x.shape), x.dtype)
    stack[rank] = x
    for step in range(m - 1):
        mine, missing = stack[(rank - step) % m], stack[(rank - step - 1) % m]
        comm.send_recv(mine, missing, (rank + 1) % m, (rank - 1) % m)
    return stack.sum(axis=0, dtype=x.dtype)
