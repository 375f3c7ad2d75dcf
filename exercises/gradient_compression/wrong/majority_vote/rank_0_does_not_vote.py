"""Counts the votes of the others only."""

import numpy as np

from mlsys_lib.collectives import gather, tree_broadcast


def majority_vote(comm, gradient):
    bits = np.packbits(gradient >= 0)
    votes = gather(comm, bits)
    if votes is not None and comm.world_size > 1:
        num_for = np.unpackbits(votes[1:], axis=1, count=len(gradient)).sum(axis=0)
        bits = np.packbits(2 * num_for >= comm.world_size - 1)
    bits = tree_broadcast(comm, bits)
    return np.where(np.unpackbits(bits, count=len(gradient)), 1.0, -1.0)
