"""Subtracts every mask, also those that were subtracted."""

# ruff: noqa: F821
# The notebook defines pair_mask.

import numpy as np


def unmasked_sum(
    masked: dict[int, np.ndarray], revealed: list[tuple[int, int, int]], modulus: int
) -> np.ndarray:
    total = np.sum(list(masked.values()), axis=0)
    for _, _, seed in revealed:
        mask = pair_mask(seed, len(total), modulus)
        total += -mask
    half = modulus // 2
    return (total + half) % modulus - half
