"""Gives every atom the same probability."""

import numpy as np


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    return np.full(len(magnitudes), budget / len(magnitudes))
