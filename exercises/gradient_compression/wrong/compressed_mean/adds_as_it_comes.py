"""Adds the first number of each rank, the second, and so on, at its own places."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def compressed_mean(comm, gradient, num_kept):
    places = np.argsort(-np.abs(gradient), kind="stable")[:num_kept]
    total = np.zeros(len(gradient))
    total[places] = ring_all_reduce(comm, gradient[places])
    return total / comm.world_size
