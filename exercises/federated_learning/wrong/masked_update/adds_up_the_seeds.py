"""Makes one mask of the sum of all seeds."""

# ruff: noqa: F821
# The notebook defines pair_mask.

import numpy as np


def masked_update(client: int, update: np.ndarray, seeds: list[int], modulus: int) -> np.ndarray:
    return (update + pair_mask(sum(seeds), len(update), modulus)) % modulus
