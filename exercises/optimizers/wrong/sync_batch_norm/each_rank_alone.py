"""Normalizes with the rank's own statistics, as without synchronization."""

import numpy as np


def sync_batch_norm(comm, x, eps):
    if len(x) == 0:
        return x.copy()
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
