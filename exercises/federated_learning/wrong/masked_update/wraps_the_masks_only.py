"""Takes the remainder of the masks, and then adds the update."""

# ruff: noqa: F821
# The notebook defines pair_mask.

import numpy as np


def masked_update(client: int, update: np.ndarray, seeds: list[int], modulus: int) -> np.ndarray:
    masks = np.zeros_like(update)
    for other, seed in enumerate(seeds):
        if other != client:
            mask = pair_mask(seed, len(update), modulus)
            masks += mask if client < other else -mask
    return update + masks % modulus
