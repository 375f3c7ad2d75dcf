"""Divides by the norm of zeros."""

import numpy as np


def stochastic_levels(x: np.ndarray, num_levels: int, uniform: np.ndarray):
    norm = float(np.linalg.norm(x))
    ratios = num_levels * np.abs(x) / norm
    below = np.floor(ratios)
    levels = below + (uniform < ratios - below)
    return norm, (np.sign(x) * levels).astype(np.int64)
