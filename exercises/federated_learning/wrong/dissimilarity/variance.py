"""Measures the variance of the gradients around their mean."""

import numpy as np


def dissimilarity(gradients: np.ndarray, client_weights: np.ndarray) -> float:
    mean = client_weights @ gradients
    return float(client_weights @ ((gradients - mean) ** 2).sum(axis=1))
