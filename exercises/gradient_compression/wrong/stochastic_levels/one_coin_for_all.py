"""Throws one coin for the whole vector."""

import numpy as np


def stochastic_levels(x: np.ndarray, num_levels: int, uniform: np.ndarray):
    norm = float(np.linalg.norm(x))
    if norm == 0:
        return 0.0, np.zeros(len(x), np.int64)
    ratios = num_levels * np.abs(x) / norm
    below = np.floor(ratios)
    levels = below + (uniform[0] < ratios - below)
    return norm, (np.sign(x) * levels).astype(np.int64)
