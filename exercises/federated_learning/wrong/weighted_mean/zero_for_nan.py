"""Puts numbers in place of those that are not finite."""

import numpy as np


def weighted_mean(
    w: np.ndarray, updates: dict[int, np.ndarray], num_examples: list[int]
) -> np.ndarray:
    if not updates:
        return w.copy()
    total = sum(num_examples[i] for i in updates)
    whole = {i: np.nan_to_num(update, posinf=0, neginf=0) for i, update in updates.items()}
    return np.sum([num_examples[i] / total * update for i, update in whole.items()], axis=0)
