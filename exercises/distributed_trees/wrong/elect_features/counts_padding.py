"""Counts the -1 of a short ballot as a vote for the last feature."""

import numpy as np

from mlsys_lib.collectives import ring_all_gather


def elect_features(comm, gains, top_k):
    best = np.argsort(-gains, kind="stable")[:top_k]
    best = best[gains[best] > -np.inf]
    ballot = np.full(top_k, -1, np.int64)
    ballot[: len(best)] = best
    ballots = ring_all_gather(comm, ballot).ravel()
    votes = np.zeros(len(gains), np.int64)
    np.add.at(votes, ballots, 1)
    elected = np.argsort(-votes, kind="stable")[: 2 * top_k]
    return np.sort(elected[votes[elected] > 0])
