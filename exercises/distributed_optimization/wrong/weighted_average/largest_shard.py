"""Takes the answer of the largest shard."""

import numpy as np


def weighted_average(answers: list[np.ndarray], counts: list[int]) -> np.ndarray:
    return answers[int(np.argmax(counts))].copy()
