"""Cuts every share off at 1, and gives nothing to the others: the published code."""

import numpy as np


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    if not magnitudes.any():
        return np.zeros(len(magnitudes))
    return np.minimum(1.0, budget * magnitudes / magnitudes.sum())
