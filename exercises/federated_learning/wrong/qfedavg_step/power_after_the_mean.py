"""Averages gradients and losses first, and takes the power of the mean loss."""

import numpy as np


def qfedavg_step(
    w: np.ndarray,
    answers: list[tuple[np.ndarray, float, float]],
    client_weights: list[float],
    fairness: float,
    smoothness: float,
) -> np.ndarray:
    gradient, loss = np.zeros(len(w)), 0.0
    for (own, before, _), p in zip(answers, client_weights, strict=True):
        gradient += p * smoothness * (w - own)
        loss += p * before
    bend = fairness * loss ** (fairness - 1) * (gradient @ gradient) if fairness > 0 else 0.0
    return w - loss**fairness * gradient / (bend + smoothness * loss**fairness)
