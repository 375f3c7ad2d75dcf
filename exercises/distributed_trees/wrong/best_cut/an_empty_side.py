"""Divides by zero rows on an empty side, and takes the NaN for the best."""

import numpy as np


def best_cut(histogram: np.ndarray) -> int | None:
    left = np.cumsum(histogram, axis=0)[:-1]
    whole = histogram.sum(axis=0)
    with np.errstate(all="ignore"):
        scores = [side[:, 1] ** 2 / side[:, 0] for side in (left, whole - left)]
        gain = scores[0] + scores[1] - whole[1] ** 2 / whole[0]
    best = int(np.argmax(gain))
    return None if gain[best] <= 0 else best
