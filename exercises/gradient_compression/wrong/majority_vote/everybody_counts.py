"""Gathers all votes on all ranks, and each counts for itself."""

import numpy as np

from mlsys_lib.collectives import ring_all_gather


def majority_vote(comm, gradient):
    votes = ring_all_gather(comm, np.packbits(gradient >= 0))
    num_for = np.unpackbits(votes, axis=1, count=len(gradient)).sum(axis=0)
    return np.where(2 * num_for >= comm.world_size, 1.0, -1.0)
