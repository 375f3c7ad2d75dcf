"""Fills its ballot with features by which it cannot split."""

import numpy as np

from mlsys_lib.collectives import ring_all_gather


def elect_features(comm, gains, top_k):
    ballot = np.argsort(-gains, kind="stable")[:top_k].astype(np.int64)
    ballots = ring_all_gather(comm, ballot).ravel()
    votes = np.bincount(ballots, minlength=len(gains))
    elected = np.argsort(-votes, kind="stable")[: 2 * top_k]
    return np.sort(elected[votes[elected] > 0])
