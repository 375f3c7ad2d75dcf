"""Sorts the magnitudes that it was handed."""

import numpy as np


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    order = np.argsort(-magnitudes)
    magnitudes[:] = magnitudes[order]
    probabilities = np.zeros(len(magnitudes))
    for place, magnitude in enumerate(magnitudes):
        rest = magnitudes[place:].sum()
        if magnitude * budget <= rest:
            if rest > 0:
                probabilities[order[place:]] = budget * magnitudes[place:] / rest
            break
        probabilities[order[place]] = 1.0
        budget -= 1
    return probabilities
