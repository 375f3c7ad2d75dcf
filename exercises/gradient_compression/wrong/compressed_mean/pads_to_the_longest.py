"""Fills every message up to the longest one."""

import numpy as np

from mlsys_lib.collectives import ring_all_gather


def compressed_mean(comm, gradient, num_kept):
    longest = int(ring_all_gather(comm, np.array([num_kept])).max())
    places, values = np.zeros(longest, np.int32), np.zeros(longest, np.float32)
    places[:num_kept] = np.argsort(-np.abs(gradient), kind="stable")[:num_kept]
    values[:num_kept] = gradient[places[:num_kept]]
    total = np.zeros(len(gradient))
    np.add.at(total, ring_all_gather(comm, places), ring_all_gather(comm, values))
    return total / comm.world_size
