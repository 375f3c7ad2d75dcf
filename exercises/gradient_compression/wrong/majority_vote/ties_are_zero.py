"""Adds the signs up and asks np.sign, which has a third answer."""

import numpy as np

from mlsys_lib.collectives import gather, tree_broadcast


def majority_vote(comm, gradient):
    votes = gather(comm, np.packbits(gradient >= 0))
    verdict = np.empty(len(gradient), np.int8)
    if votes is not None:
        signs = 2 * np.unpackbits(votes, axis=1, count=len(gradient)).astype(np.int64) - 1
        verdict = np.sign(signs.sum(axis=0)).astype(np.int8)
    return tree_broadcast(comm, verdict).astype(np.float64)
