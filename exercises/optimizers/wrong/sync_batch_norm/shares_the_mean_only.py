"""Takes the mean of all, and the variance of its own rows."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def sync_batch_norm(comm, x, eps):
    count, *sums = ring_all_reduce(comm, np.array([len(x), *x.sum(axis=0)], np.float64))
    centered = x - np.array(sums) / count
    own = (centered**2).sum(axis=0) / max(len(x), 1)
    return centered / np.sqrt(own + eps)
