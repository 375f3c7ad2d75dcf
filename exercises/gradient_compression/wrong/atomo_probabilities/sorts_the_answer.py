"""Returns the probabilities of the sorted magnitudes, the largest first."""

import numpy as np


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    probabilities = np.zeros(len(magnitudes))
    open_atoms = magnitudes > 0
    while open_atoms.any():
        shares = budget * magnitudes / magnitudes[open_atoms].sum()
        full = open_atoms & (shares >= 1)
        if not full.any():
            probabilities[open_atoms] = shares[open_atoms]
            break
        probabilities[full] = 1.0
        budget -= full.sum()
        open_atoms &= ~full
    return np.sort(probabilities)[::-1].copy()
