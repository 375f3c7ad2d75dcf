"""Takes the cut whose children are the most impure."""

import numpy as np


def squared_deviations(stats):
    rows, total, squares = stats.T
    return squares - total**2 / np.maximum(rows, 1)


def best_cut(histogram: np.ndarray) -> int | None:
    left = np.cumsum(histogram, axis=0)[:-1]
    whole = histogram.sum(axis=0)
    impurity = squared_deviations(left) + squared_deviations(whole - left)
    allowed = (left[:, 0] > 0) & (left[:, 0] < whole[0])
    allowed &= squared_deviations(whole) - impurity > 1e-9 * squared_deviations(whole)
    if not allowed.any():
        return None
    return int(np.argmax(np.where(allowed, impurity, -np.inf)))
