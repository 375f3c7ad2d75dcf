"""Lets the lower partner speak first and the other one after: twice the rounds."""

import numpy as np


def halving_doubling(comm, x):
    m, rank = comm.world_size, comm.rank
    power = 1 << (m.bit_length() - 1)
    total = x.flatten()
    if rank >= power:
        comm.send(total, rank - power)
        comm.recv(total, rank - power)
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
        if bit:
            comm.recv(arrived, rank ^ distance)
            comm.send(given, rank ^ distance)
        else:
            comm.send(given, rank ^ distance)
            comm.recv(arrived, rank ^ distance)
        kept += arrived
        swaps.append((rank ^ distance, kept, given))
        piece, distance = kept, distance // 2
    for partner, kept, given in reversed(swaps):
        comm.send_recv(kept, given, partner, partner)
    if has_guest:
        comm.send(total, rank + power)
    return total.reshape(x.shape)
