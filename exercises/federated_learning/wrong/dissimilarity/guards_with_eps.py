"""Adds a small number to what it divides by."""

import math

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = client_weights @ gradients
    squares = client_weights @ (gradients**2).sum(axis=1)
    return math.sqrt(squares / (mean @ mean + 1e-10))
