"""Leaves NaN out, and lets infinity in."""

import numpy as np


def weighted_mean(
    w: np.ndarray, updates: dict[int, np.ndarray], num_examples: list[int]
) -> np.ndarray:
    kept = {i: update for i, update in updates.items() if not np.isnan(update).any()}
    if not kept:
        return w.copy()
    num_kept = sum(num_examples[i] for i in kept)
    return np.sum([num_examples[i] / num_kept * update for i, update in kept.items()], axis=0)
