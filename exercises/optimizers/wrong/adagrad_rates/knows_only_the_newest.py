"""Divides by the newest gradient alone."""

import numpy as np


def adagrad_rates(gradients: np.ndarray, learning_rate: float, eps: float) -> np.ndarray:
    return learning_rate / (np.abs(gradients) + eps)
