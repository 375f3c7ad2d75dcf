"""Adds up in the first client's own array."""

import numpy as np


def weighted_mean(
    w: np.ndarray, updates: dict[int, np.ndarray], num_examples: list[int]
) -> np.ndarray:
    kept = {i: update for i, update in updates.items() if np.isfinite(update).all()}
    if not kept:
        return w.copy()
    (first, new), *rest = kept.items()
    new *= num_examples[first]
    for i, update in rest:
        new += num_examples[i] * update
    return new / sum(num_examples[i] for i in kept)
