"""Puts eight signs into a number, and each number takes eight bytes."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    return np.packbits(x >= 0).astype(np.int64)


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    return np.where(np.unpackbits(data.astype(np.uint8), count=k), 1.0, -1.0)
