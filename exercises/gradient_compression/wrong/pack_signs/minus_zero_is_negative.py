"""Looks at the sign bit of the float, which -0.0 has too."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    return np.packbits(~np.signbit(x))


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    return np.where(np.unpackbits(data, count=k), 1.0, -1.0)
