"""Divides by the largest magnitude, as TernGrad does."""

import numpy as np


def stochastic_levels(x: np.ndarray, num_levels: int, uniform: np.ndarray):
    norm = float(np.abs(x).max())
    if norm == 0:
        return 0.0, np.zeros(len(x), np.int64)
    ratios = num_levels * np.abs(x) / norm
    below = np.floor(ratios)
    levels = below + (uniform < ratios - below)
    return norm, (np.sign(x) * levels).astype(np.int64)
