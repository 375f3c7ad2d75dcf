"""Takes the number of ranks for a power of two."""

import numpy as np


def halving_doubling(comm, x):
    rank, total = comm.rank, x.flatten()
    swaps, piece, distance = [], total, comm.world_size // 2
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
