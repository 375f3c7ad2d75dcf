"""Divides the penalty by the number of examples, too."""

import numpy as np


def gradient_step(
    w: np.ndarray, X: np.ndarray, y: np.ndarray, penalty: float, learning_rate: float
) -> np.ndarray:
    gradient = (X.T @ (X @ w - y) + penalty * w) / len(y)
    return w - learning_rate * gradient
