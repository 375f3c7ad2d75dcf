"""Allows ζ from -1 to 1, whatever the label."""

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
    share = dual * y + (1 - y * (x @ w)) / curvature
    return float(np.clip(y * share, -1.0, 1.0))
