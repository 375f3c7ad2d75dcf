"""Gives every client the same say."""

import numpy as np


def weighted_mean(
    w: np.ndarray, updates: dict[int, np.ndarray], num_examples: list[int]
) -> np.ndarray:
    kept = {i: update for i, update in updates.items() if np.isfinite(update).all()}
    if not kept:
        return w.copy()
    return np.mean(list(kept.values()), axis=0)
