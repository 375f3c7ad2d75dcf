"""Prefers the higher of two features with equal gains or votes."""

import numpy as np

from mlsys_lib.collectives import ring_all_gather


def elect_features(comm, gains, top_k):
    best = np.argsort(gains, kind="stable")[::-1][:top_k]
    best = best[gains[best] > -np.inf]
    ballot = np.full(top_k, -1, np.int64)
    ballot[: len(best)] = best
    ballots = ring_all_gather(comm, ballot).ravel()
    votes = np.bincount(ballots[ballots >= 0], minlength=len(gains))
    elected = np.argsort(votes, kind="stable")[::-1][: 2 * top_k]
    return np.sort(elected[votes[elected] > 0])
