"""Takes the place of an answer for the number of its client."""

import numpy as np


def weighted_mean(
    w: np.ndarray, updates: dict[int, np.ndarray], num_examples: list[int]
) -> np.ndarray:
    pairs = zip(updates.values(), num_examples, strict=False)
    kept = [(update, n) for update, n in pairs if np.isfinite(update).all()]
    if not kept:
        return w.copy()
    total = sum(n for _, n in kept)
    return np.sum([n / total * update for update, n in kept], axis=0)
