"""Folds the extra ranks in and forgets to give them the sum."""

import numpy as np


def halving_doubling(comm, x):
    m, rank = comm.world_size, comm.rank
    power = 1 << (m.bit_length() - 1)
    total = x.flatten()
    if rank >= power:
        comm.send(total, rank - power)
        return total.reshape(x.shape)
    has_guest = rank + power < m
    if has_guest:
        arrived = np.empty_like(total)
        comm.recv(arrived, rank + power)
        total += arrived
    swaps, piece, distance = [], total, power // 2
    while distance:
        halves = np.array_split(piece, 2)
        bit = 1 if rank & distance else 0
        kept, given = halves[bit], halves[1 - bit]
        arrived = np.empty_like(kept)
        comm.send_recv(given, arrived, rank ^ distance, rank ^ distance)
        kept += arrived
        swaps.append((rank ^ distance, kept, given))
        piece, distance = kept, distance // 2
    for partner, kept, given in reversed(swaps):
        comm.send_recv(kept, given, partner, partner)
    return total.reshape(x.shape)
