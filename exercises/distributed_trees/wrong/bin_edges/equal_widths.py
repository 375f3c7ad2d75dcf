"""Cuts the range into bins of equal width."""

import numpy as np


def bin_edges(sketches: list[tuple[np.ndarray, np.ndarray]], num_bins: int) -> np.ndarray:
    values = np.concatenate([values for values, _ in sketches])
    if len(np.unique(values)) < 2:
        return np.empty(0)
    return np.linspace(values.min(), values.max(), num_bins + 1)[1:-1]
