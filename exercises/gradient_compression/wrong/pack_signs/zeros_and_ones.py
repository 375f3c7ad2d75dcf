"""Returns the bits, and no signs."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    return np.packbits(x >= 0)


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    return np.unpackbits(data, count=k).astype(np.float64)
