"""Computes in uint8, where 0 - 1 is 255."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    return np.packbits(x >= 0)


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    return (2 * np.unpackbits(data, count=k) - 1).astype(np.float64)
