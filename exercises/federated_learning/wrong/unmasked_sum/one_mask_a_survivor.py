"""Undoes one mask for each client that answered."""

# ruff: noqa: F821
# The notebook defines pair_mask.

import numpy as np


def unmasked_sum(
    masked: dict[int, np.ndarray], revealed: list[tuple[int, int, int]], modulus: int
) -> np.ndarray:
    total = np.sum(list(masked.values()), axis=0)
    broken = {survivor: (dropped, seed) for survivor, dropped, seed in revealed}
    for survivor, (dropped, seed) in broken.items():
        mask = pair_mask(seed, len(total), modulus)
        total += -mask if survivor < dropped else mask
    half = modulus // 2
    return (total + half) % modulus - half
