"""Masks that two know and the others cannot tell from chance: SHAKE-256 of a seed.

Bonawitz et al., CCS 2017, doi:10.1145/3133956.3133982, take AES in counter mode; ours takes the
extendable output of FIPS 202 (2015), which Python has. A generator for simulations, such as the
Mersenne Twister or PCG64, will not do: its next numbers follow from those that were seen.

>>> vector = np.array([1, 2, 3], dtype=np.uint32)
>>> hidden = add_masks(vector, [(b"secret", +1)])
>>> add_masks(hidden, [(b"secret", -1)])
array([1, 2, 3], dtype=uint32)
"""

import hashlib
from collections.abc import Iterable

import numpy as np


def add_masks(vector: np.ndarray, seeds: Iterable[tuple[bytes, int]]) -> np.ndarray:
    """Return the vector plus sign · mask(seed) for each pair, modulo 2^bits of its dtype.

    Parameters
    ----------
    vector : ndarray of shape (k,), unsigned integers
        Not modified.
    seeds : iterable of (bytes, int)
        Seed, and +1 or -1.

    Returns
    -------
    ndarray
        Shape and dtype of `vector`. Each seed costs k numbers of SHAKE-256.
    """
    total = vector.copy()
    for seed, sign in seeds:
        if sign > 0:
            total += mask(seed, len(total), total.dtype)
        else:
            total -= mask(seed, len(total), total.dtype)
    return total


def mask(seed: bytes, num_elements: int, dtype: np.dtype) -> np.ndarray:
    """Return that many integers, uniform over the dtype, the same for all who have the seed."""
    stream = hashlib.shake_256(b"mask" + seed).digest(num_elements * dtype.itemsize)
    return np.frombuffer(stream, dtype)


def pair_sign(client: int, other: int) -> int:
    """Return what `client` multiplies the mask of the pair by: +1 the later one, -1 the other."""
    return 1 if client > other else -1
