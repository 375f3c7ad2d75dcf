"""Has no case for a mean gradient of zero."""

import math

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = client_weights @ gradients
    squares = client_weights @ (gradients**2).sum(axis=1)
    return math.sqrt(squares / (mean @ mean))
