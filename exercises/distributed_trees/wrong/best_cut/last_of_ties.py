"""Goes on to the next cut where it gains as much."""

import numpy as np


def squared_deviations(stats):
    rows, total, squares = stats.T
    return squares - total**2 / np.maximum(rows, 1)


def best_cut(histogram: np.ndarray) -> int | None:
    whole = histogram.sum(axis=0)
    parent = squared_deviations(whole)
    best, best_gain = None, 1e-9 * parent
    left = np.zeros(3)
    for cut, stats in enumerate(histogram[:-1]):
        left = left + stats
        gain = parent - squared_deviations(left) - squared_deviations(whole - left)
        if 0 < left[0] < whole[0] and gain > 1e-9 * parent and gain >= best_gain:
            best, best_gain = cut, gain
    return best
