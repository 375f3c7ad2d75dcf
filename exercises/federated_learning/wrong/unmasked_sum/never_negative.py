"""Returns a remainder, which is never below 0."""

# ruff: noqa: F821
# The notebook defines pair_mask.

import numpy as np


def unmasked_sum(
    masked: dict[int, np.ndarray], revealed: list[tuple[int, int, int]], modulus: int
) -> np.ndarray:
    total = np.sum(list(masked.values()), axis=0)
    for survivor, dropped, seed in revealed:
        mask = pair_mask(seed, len(total), modulus)
        total += -mask if survivor < dropped else mask
    return total % modulus
