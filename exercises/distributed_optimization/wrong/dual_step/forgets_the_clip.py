"""Goes to the top of the parabola, allowed or not."""

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
    return y * share
