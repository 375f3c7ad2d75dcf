"""Returns B²."""

import math

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = client_weights @ gradients
    squares = client_weights @ (gradients**2).sum(axis=1)
    if not mean.any():
        return math.inf if squares > 0 else 1.0
    return float(squares / (mean @ mean))
