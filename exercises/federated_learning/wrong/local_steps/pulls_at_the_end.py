"""Steps without the term, and pulls once, at the end."""

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
        w -= learning_rate * X.T @ (X @ w - y) / len(y)
    return w - learning_rate * proximal_weight * (w - w_global)
