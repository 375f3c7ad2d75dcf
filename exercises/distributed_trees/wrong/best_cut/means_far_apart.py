"""Takes the cut after which the two means are furthest apart."""

import numpy as np


def best_cut(histogram: np.ndarray) -> int | None:
    left = np.cumsum(histogram, axis=0)[:-1]
    whole = histogram.sum(axis=0)
    right = whole - left
    allowed = (left[:, 0] > 0) & (right[:, 0] > 0)
    means = [side[:, 1] / np.maximum(side[:, 0], 1) for side in (left, right)]
    apart = np.where(allowed, np.abs(means[0] - means[1]), 0.0)
    return int(np.argmax(apart)) if apart.any() else None
