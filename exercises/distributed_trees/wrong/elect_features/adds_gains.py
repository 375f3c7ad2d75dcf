"""Adds up the gains of all ranks, which a rank with large gains decides."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def elect_features(comm, gains, top_k):
    total = ring_all_reduce(comm, np.where(gains > -np.inf, gains, 0.0))
    elected = np.argsort(-total, kind="stable")[: 2 * top_k]
    return np.sort(elected[total[elected] > 0])
