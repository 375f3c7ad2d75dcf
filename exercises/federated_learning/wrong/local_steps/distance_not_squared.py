"""Takes λ/2 ‖w - w_t‖ without the square: a pull that is equally strong everywhere."""

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
        away = w - w_global
        distance = np.linalg.norm(away)
        if distance > 0:
            gradient += proximal_weight / 2 * away / distance
        w -= learning_rate * gradient
    return w
