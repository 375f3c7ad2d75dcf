"""Gives every worker the same say."""

import numpy as np


def weighted_average(answers: list[np.ndarray], counts: list[int]) -> np.ndarray:
    return np.mean([w for w, n in zip(answers, counts, strict=True) if n > 0], axis=0)
