"""Lets node -1 mean the last node, as an index does."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce


def level_histograms(comm, codes, stats, node, num_nodes, num_bins):
    histograms = np.zeros((num_nodes, codes.shape[1], num_bins, stats.shape[1]))
    for f in range(codes.shape[1]):
        np.add.at(histograms[:, f], (node, codes[:, f]), stats)
    return ring_all_reduce(comm, histograms)
