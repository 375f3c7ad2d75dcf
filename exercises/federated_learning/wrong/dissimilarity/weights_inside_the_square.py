"""Squares the weights along with the gradients."""

import math

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = client_weights @ gradients
    squares = ((client_weights[:, None] * gradients) ** 2).sum()
    if not mean.any():
        return math.inf if squares > 0 else 1.0
    return math.sqrt(squares / (mean @ mean))
