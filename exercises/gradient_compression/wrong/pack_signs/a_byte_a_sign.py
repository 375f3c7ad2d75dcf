"""Makes bools of the signs, which take a byte each."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    return (x >= 0).astype(np.uint8)


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    return np.where(data[:k], 1.0, -1.0)
