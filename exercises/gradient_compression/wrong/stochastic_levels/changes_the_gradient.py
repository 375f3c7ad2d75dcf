"""Divides the gradient that it was handed."""

import numpy as np


def stochastic_levels(x: np.ndarray, num_levels: int, uniform: np.ndarray):
    norm = float(np.linalg.norm(x))
    if norm == 0:
        return 0.0, np.zeros(len(x), np.int64)
    exact = num_levels * np.abs(x) / norm
    x *= num_levels / norm
    below = np.floor(exact)
    return norm, (np.sign(x) * (below + (uniform < exact - below))).astype(np.int64)
