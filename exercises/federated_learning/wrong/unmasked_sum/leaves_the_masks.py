"""Leaves the masks of broken pairs in the sum."""

import numpy as np


def unmasked_sum(
    masked: dict[int, np.ndarray], revealed: list[tuple[int, int, int]], modulus: int
) -> np.ndarray:
    total = np.sum(list(masked.values()), axis=0)
    half = modulus // 2
    return (total + half) % modulus - half
