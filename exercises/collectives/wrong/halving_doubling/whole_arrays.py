"""Doubles without halving: whole arrays in every swap, the right sum, too many bytes."""

import numpy as np


def halving_doubling(comm, x):
    m, rank = comm.world_size, comm.rank
    power = 1 << (m.bit_length() - 1)
    total, arrived = x.copy(), np.empty_like(x)
    if rank >= power:
        comm.send(total, rank - power)
        comm.recv(total, rank - power)
        return total
    if rank + power < m:
        comm.recv(arrived, rank + power)
        total += arrived
    distance = 1
    while distance < power:
        comm.send_recv(total, arrived, rank ^ distance, rank ^ distance)
        total += arrived
        distance *= 2
    if rank + power < m:
        comm.send(total, rank + power)
    return total
