"""Sends the largest ones for certain, as many as the budget: that is top-k."""

import numpy as np


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    order = np.argsort(-magnitudes, kind="stable")
    probabilities = np.zeros(len(magnitudes))
    probabilities[order[: int(budget)]] = 1.0
    return probabilities * (magnitudes > 0)
