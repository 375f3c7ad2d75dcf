"""Returns rates times gradients: how far each weight moves."""

import numpy as np


def adagrad_rates(gradients: np.ndarray, learning_rate: float, eps: float) -> np.ndarray:
    squares = np.cumsum(gradients**2, axis=0)
    return learning_rate * gradients / (np.sqrt(squares) + eps)
