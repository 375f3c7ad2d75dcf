"""Weighs a side by its bins and not by its rows."""

import numpy as np


def best_cut(histogram: np.ndarray) -> int | None:
    num_bins = len(histogram)
    left = np.cumsum(histogram, axis=0)[:-1]
    whole = histogram.sum(axis=0)
    right = whole - left
    allowed = (left[:, 0] > 0) & (right[:, 0] > 0)
    bins = np.arange(1, num_bins)
    rows = np.maximum(left[:, 0], 1), np.maximum(right[:, 0], 1)
    spread = [
        side[:, 2] / n - (side[:, 1] / n) ** 2 for side, n in zip((left, right), rows, strict=True)
    ]
    parent = whole[2] / whole[0] - (whole[1] / whole[0]) ** 2
    gain = parent - (bins * spread[0] + (num_bins - bins) * spread[1]) / num_bins
    gain = np.where(allowed & (gain > 1e-9 * parent), gain, -np.inf)
    return int(np.argmax(gain)) if np.isfinite(gain).any() else None
