"""Keeps a running average, which forgets, as RMSprop does."""

import numpy as np


def adagrad_rates(gradients: np.ndarray, learning_rate: float, eps: float) -> np.ndarray:
    average, rates = 0.0, np.empty_like(gradients)
    for t, g in enumerate(gradients):
        average = 0.9 * average + 0.1 * g**2
        rates[t] = learning_rate / (np.sqrt(average) + eps)
    return rates
