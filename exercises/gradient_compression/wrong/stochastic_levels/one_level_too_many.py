"""Counts the level 0 as one of the levels above it."""

import numpy as np


def stochastic_levels(x: np.ndarray, num_levels: int, uniform: np.ndarray):
    norm = float(np.linalg.norm(x))
    if norm == 0:
        return 0.0, np.zeros(len(x), np.int64)
    ratios = (num_levels + 1) * np.abs(x) / norm
    below = np.floor(ratios)
    levels = below + (uniform < ratios - below)
    return norm, (np.sign(x) * levels).astype(np.int64)
