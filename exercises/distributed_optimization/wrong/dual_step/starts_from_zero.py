"""Forgets where ζ is: starts from 0 in each step."""

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
    curvature = scale * (x @ x) / (penalty * num_examples)
    if curvature == 0:
        return y
    share = (1 - y * (x @ w)) / curvature
    return y * min(1.0, max(0.0, share))
