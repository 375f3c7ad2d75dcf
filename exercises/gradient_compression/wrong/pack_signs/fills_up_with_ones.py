"""Fills the last byte up with ones."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    bits = np.ones(-(-len(x) // 8) * 8, bool)
    bits[: len(x)] = x >= 0
    return np.packbits(bits)


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    return np.where(np.unpackbits(data, count=k), 1.0, -1.0)
