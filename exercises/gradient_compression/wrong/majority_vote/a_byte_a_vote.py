"""Sends each vote as a bool, which takes a byte."""

import numpy as np

from mlsys_lib.collectives import gather, tree_broadcast


def majority_vote(comm, gradient):
    votes = gather(comm, gradient >= 0)
    bits = np.packbits(gradient >= 0)
    if votes is not None:
        bits = np.packbits(2 * votes.sum(axis=0) >= comm.world_size)
    bits = tree_broadcast(comm, bits)
    return np.where(np.unpackbits(bits, count=len(gradient)), 1.0, -1.0)
