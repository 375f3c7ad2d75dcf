"""Subtracts the mean from x itself."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def sync_batch_norm(comm, x, eps):
    count, *sums = ring_all_reduce(comm, np.array([len(x), *x.sum(axis=0)], np.float64))
    x -= np.array(sums) / count
    squares = ring_all_reduce(comm, (x**2).sum(axis=0))
    return x / np.sqrt(squares / count + eps)
