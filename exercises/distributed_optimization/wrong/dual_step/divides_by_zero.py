"""Divides by the norm of an example of zeros."""

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
    curvature = scale * float(x @ x) / (penalty * num_examples)
    share = dual * y + (1 - y * float(x @ w)) / curvature
    return y * min(1.0, max(0.0, share))
