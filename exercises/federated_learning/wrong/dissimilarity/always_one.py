"""Says 1 wherever the mean gradient is zero."""

import math

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = client_weights @ gradients
    squares = client_weights @ (gradients**2).sum(axis=1)
    if not mean.any():
        return 1.0
    return math.sqrt(squares / (mean @ mean))
