"""Takes the gradient of the first example for that of all."""

import numpy as np


def gradient_step(
    w: np.ndarray, X: np.ndarray, y: np.ndarray, penalty: float, learning_rate: float
) -> np.ndarray:
    gradient = (X[0] @ w - y[0]) * X[0] + penalty * w
    return w - learning_rate * gradient
