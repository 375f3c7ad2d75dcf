"""Averages the variances of the two sides, however many rows each has."""

import numpy as np


def variance(stats):
    _, total, squares = stats.T / np.maximum(stats.T[0], 1)
    return squares - total**2


def best_cut(histogram: np.ndarray) -> int | None:
    left = np.cumsum(histogram, axis=0)[:-1]
    whole = histogram.sum(axis=0)
    gain = variance(whole) - (variance(left) + variance(whole - left)) / 2
    allowed = (left[:, 0] > 0) & (left[:, 0] < whole[0]) & (gain > 1e-9 * variance(whole))
    if not allowed.any():
        return None
    return int(np.argmax(np.where(allowed, gain, -np.inf)))
