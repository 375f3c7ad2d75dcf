"""Gathers all rows on every rank, padded to the longest shard."""

import numpy as np

from mlsys_lib.collectives import ring_all_gather


def sync_batch_norm(comm, x, eps):
    counts = ring_all_gather(comm, np.array([len(x)])).ravel()
    padded = np.zeros((counts.max(), x.shape[1]))
    padded[: len(x)] = x
    gathered = ring_all_gather(comm, padded)
    rows = np.concatenate([part[:n] for part, n in zip(gathered, counts, strict=True)])
    return (x - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + eps)
