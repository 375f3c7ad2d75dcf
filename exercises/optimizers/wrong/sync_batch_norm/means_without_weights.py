"""Averages the ranks' means and squares as if all shards had as many rows."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def sync_batch_norm(comm, x, eps):
    own = [x, x**2] if len(x) else np.zeros((2, 1, x.shape[1]))
    both = np.concatenate([part.mean(axis=0) for part in own])
    mean, squares = (ring_all_reduce(comm, both) / comm.world_size).reshape(2, -1)
    return (x - mean) / np.sqrt(np.maximum(squares - mean**2, 0) + eps)
