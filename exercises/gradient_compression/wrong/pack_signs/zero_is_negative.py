"""Counts 0 as -1."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    return np.packbits(x > 0)


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    return np.where(np.unpackbits(data, count=k), 1.0, -1.0)
