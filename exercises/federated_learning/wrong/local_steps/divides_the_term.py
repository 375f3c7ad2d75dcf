"""Divides the proximal term by n as well."""

import numpy as np


def local_steps(
    w_global: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    learning_rate: float,
    num_steps: int,
    proximal_weight: float,
) -> np.ndarray:
    w = w_global.copy()
    for _ in range(num_steps):
        gradient = X.T @ (X @ w - y) + proximal_weight * (w - w_global)
        w -= learning_rate * gradient / len(y)
    return w
