"""Lets who has not answered vote for the old weights."""

import numpy as np


def weighted_mean(
    w: np.ndarray, updates: dict[int, np.ndarray], num_examples: list[int]
) -> np.ndarray:
    kept = {i: update for i, update in updates.items() if np.isfinite(update).all()}
    if not kept:
        return w.copy()
    total = sum(num_examples)
    votes = [kept.get(i, w) for i in range(len(num_examples))]
    return np.sum([n / total * vote for n, vote in zip(num_examples, votes, strict=True)], axis=0)
