"""Takes λ/2 ‖w‖² for the proximal term: weight decay."""

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
        gradient = X.T @ (X @ w - y) / len(y)
        w -= learning_rate * (gradient + proximal_weight * w)
    return w
