"""Gathers everybody's rows, padded, and counts them all on each rank."""

import numpy as np

from mlsys_lib.collectives import ring_all_gather, ring_all_reduce


def level_histograms(comm, codes, stats, node, num_nodes, num_bins):
    num_rows = np.array([len(node)])
    longest = int(ring_all_reduce(comm, num_rows, op="max")[0])
    rows = np.full((longest, codes.shape[1] + stats.shape[1] + 1), -1.0)
    rows[: len(node)] = np.column_stack([node, codes, stats])
    rows = np.concatenate(ring_all_gather(comm, rows))
    rows = rows[rows[:, 0] >= 0]
    node, codes = rows[:, 0].astype(int), rows[:, 1 : codes.shape[1] + 1].astype(int)
    stats = rows[:, codes.shape[1] + 1 :]
    histograms = np.zeros((num_nodes, codes.shape[1], num_bins, stats.shape[1]))
    for f in range(codes.shape[1]):
        np.add.at(histograms[:, f], (node, codes[:, f]), stats)
    return histograms
