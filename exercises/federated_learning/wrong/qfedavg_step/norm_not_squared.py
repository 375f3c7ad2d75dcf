"""Forgets the square of the norm."""

import numpy as np


def qfedavg_step(
    w: np.ndarray,
    answers: list[tuple[np.ndarray, float, float]],
    client_weights: list[float],
    fairness: float,
    smoothness: float,
) -> np.ndarray:
    above, below = np.zeros(len(w)), 0.0
    for (own, loss, _), p in zip(answers, client_weights, strict=True):
        gradient = smoothness * (w - own)
        power = loss**fairness
        bend = fairness * loss ** (fairness - 1) * np.linalg.norm(gradient) if fairness > 0 else 0.0
        above += p * power * gradient
        below += p * (bend + smoothness * power)
    return w - above / below
