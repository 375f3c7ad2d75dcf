"""Puts the first sign into the lowest bit, and reads it there."""

import numpy as np


def pack_signs(x: np.ndarray) -> np.ndarray:
    return np.packbits(x >= 0, bitorder="little")


def unpack_signs(data: np.ndarray, k: int) -> np.ndarray:
    return np.where(np.unpackbits(data, count=k, bitorder="little"), 1.0, -1.0)
