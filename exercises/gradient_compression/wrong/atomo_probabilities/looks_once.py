"""Gives on what the first full atoms leave, and cuts off who is full then."""

import numpy as np


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    if not magnitudes.any():
        return np.zeros(len(magnitudes))
    shares = budget * magnitudes / magnitudes.sum()
    full = shares >= 1
    if not full.any():
        return shares
    rest = magnitudes[~full].sum()
    left = (budget - full.sum()) * magnitudes / rest if rest > 0 else np.zeros(len(magnitudes))
    return np.where(full, 1.0, np.minimum(1.0, left))
