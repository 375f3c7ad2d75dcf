"""Takes the mean of a shard without rows, and its NaN becomes everybody's."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def sync_batch_norm(comm, x, eps):
    with np.errstate(all="ignore"):
        own = x.sum(axis=0) / np.float64(len(x))
    count, *sums = ring_all_reduce(comm, np.array([len(x), *(len(x) * own)]))
    centered = x - np.array(sums) / count
    squares = ring_all_reduce(comm, (centered**2).sum(axis=0))
    return centered / np.sqrt(squares / count + eps)
