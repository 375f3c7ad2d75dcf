"""Adds up absolute values instead of squares."""

import numpy as np


def adagrad_rates(gradients: np.ndarray, learning_rate: float, eps: float) -> np.ndarray:
    sums = np.cumsum(np.abs(gradients), axis=0)
    return learning_rate / (sums + eps)
