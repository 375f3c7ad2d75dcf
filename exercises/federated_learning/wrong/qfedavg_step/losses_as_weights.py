"""Averages the clients' weights by p_i f_i^q, and leaves the bend out."""

import numpy as np


def qfedavg_step(
    w: np.ndarray,
    answers: list[tuple[np.ndarray, float, float]],
    client_weights: list[float],
    fairness: float,
    smoothness: float,
) -> np.ndarray:
    shares = [p * loss**fairness for (_, loss, _), p in zip(answers, client_weights, strict=True)]
    moves = [share * (own - w) for (own, *_), share in zip(answers, shares, strict=True)]
    return w + np.sum(moves, axis=0) / sum(shares)
