"""Divides the mean of the norms by the norm of the mean: no squares."""

import math

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = client_weights @ gradients
    norms = client_weights @ np.linalg.norm(gradients, axis=1)
    if not mean.any():
        return math.inf if norms > 0 else 1.0
    return float(norms / np.linalg.norm(mean))
