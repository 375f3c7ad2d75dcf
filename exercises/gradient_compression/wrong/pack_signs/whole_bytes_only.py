"""Drops the signs that do not fill a byte."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    return np.packbits(x[: len(x) // 8 * 8] >= 0)


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    signs = np.ones(k)
    bits = np.unpackbits(data)[:k]
    signs[: len(bits)] = np.where(bits, 1.0, -1.0)
    return signs
