"""Weighs the squares, and not the mean gradient."""

import math

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = gradients.mean(axis=0)
    squares = client_weights @ (gradients**2).sum(axis=1)
    if not mean.any():
        return math.inf if squares > 0 else 1.0
    return math.sqrt(squares / (mean @ mean))
