"""Gathers all gains, and holds the election on each rank: d numbers travel for k."""

import numpy as np

from mlsys_lib.collectives import ring_all_gather


def elect_features(comm, gains, top_k):
    votes = np.zeros(len(gains), np.int64)
    for own in ring_all_gather(comm, gains):
        best = np.argsort(-own, kind="stable")[:top_k]
        votes[best[own[best] > -np.inf]] += 1
    elected = np.argsort(-votes, kind="stable")[: 2 * top_k]
    return np.sort(elected[votes[elected] > 0])
