"""Gives every client the same say."""

import math

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = gradients.mean(axis=0)
    squares = (gradients**2).sum(axis=1).mean()
    if not mean.any():
        return math.inf if squares > 0 else 1.0
    return math.sqrt(squares / (mean @ mean))
