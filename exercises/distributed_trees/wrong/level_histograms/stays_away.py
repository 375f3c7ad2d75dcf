"""A rank without rows returns at once, and the others wait for it."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def level_histograms(comm, codes, stats, node, num_nodes, num_bins):
    histograms = np.zeros((num_nodes, codes.shape[1], num_bins, stats.shape[1]))
    if len(node) == 0:
        return histograms
    counted = node >= 0
    for f in range(codes.shape[1]):
        np.add.at(histograms[:, f], (node[counted], codes[counted, f]), stats[counted])
    return ring_all_reduce(comm, histograms)
