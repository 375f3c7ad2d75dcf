"""Gives every client the same say."""

import numpy as np


def qfedavg_step(
    w: np.ndarray,
    answers: list[tuple[np.ndarray, float, float]],
    client_weights: list[float],
    fairness: float,
    smoothness: float,
) -> np.ndarray:
    above, below = np.zeros(len(w)), 0.0
    for own, loss, _ in answers:
        gradient = smoothness * (w - own)
        power = loss**fairness
        bend = fairness * loss ** (fairness - 1) * (gradient @ gradient) if fairness > 0 else 0.0
        above += power * gradient
        below += bend + smoothness * power
    return w - above / below
