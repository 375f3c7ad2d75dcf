"""A rank without rows returns at once, and the others wait for it."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def sync_batch_norm(comm, x, eps):
    if len(x) == 0:
        return x.copy()
    count, *sums = ring_all_reduce(comm, np.array([len(x), *x.sum(axis=0)], np.float64))
    centered = x - np.array(sums) / count
    squares = ring_all_reduce(comm, (centered**2).sum(axis=0))
    return centered / np.sqrt(squares / count + eps)
