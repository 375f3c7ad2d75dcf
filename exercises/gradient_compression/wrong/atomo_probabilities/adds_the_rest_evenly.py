"""Shares what was cut off evenly, and not by magnitude."""

import numpy as np


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    if not magnitudes.any():
        return np.zeros(len(magnitudes))
    probabilities = np.minimum(1.0, budget * magnitudes / magnitudes.sum())
    for _ in range(len(magnitudes)):
        open_atoms = (probabilities < 1) & (magnitudes > 0)
        if open_atoms.any():
            probabilities[open_atoms] += (budget - probabilities.sum()) / open_atoms.sum()
            probabilities = np.minimum(1.0, probabilities)
    return probabilities
