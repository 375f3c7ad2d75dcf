"""Keeps the ½ of the penalty in its gradient."""

import numpy as np


def gradient_step(
    w: np.ndarray, X: np.ndarray, y: np.ndarray, penalty: float, learning_rate: float
) -> np.ndarray:
    gradient = X.T @ (X @ w - y) / len(y) + penalty / 2 * w
    return w - learning_rate * gradient
