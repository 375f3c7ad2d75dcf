"""Takes the norm of x for its square."""

import numpy as np


def dual_step(
    x: np.ndarray,
    y: float,
    dual: float,
    w: np.ndarray,
    penalty: float,
    num_examples: int,
    scale: float,
) -> float:
    curvature = scale * np.linalg.norm(x) / (penalty * num_examples)
    if curvature == 0:
        return y
    share = dual * y + (1 - y * (x @ w)) / curvature
    return y * min(1.0, max(0.0, share))
