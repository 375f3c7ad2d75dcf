"""How QSGD's levels and signs become bytes: a fixed width, or one of the paper's two Elias codes.

Alistarh et al., NeurIPS 2017, arXiv:1610.02132, section 3.2 and appendix A. Each code is a pair:
`write_…(levels, negative, num_levels)` returns the body of a message, `read_…(body, k, num_levels)`
gets both arrays back, or raises `MessageError`. Only non-zero levels have a sign.

>>> levels, negative = np.array([0, 2, 0, 0, 1]), np.array([False, True, False, False, False])
>>> for name, (write, read) in CODES.items():
...     body = write(levels, negative, 2)
...     print(name, len(body), *read(body, 5, 2)[0])
fixed 2 0 2 0 0 1
elias 7 0 2 0 0 1
elias_dense 7 0 2 0 0 1
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.gradient_compression.elias import elias_decode, elias_encode
from mlsys_lib.gradient_compression.wire import (
    MessageError,
    pack_bits,
    pack_uint32,
    packed_bytes,
    take,
    take_uint32,
    unpack_bits,
)

Levels = tuple[np.ndarray, np.ndarray]
Write = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
Read = Callable[[np.ndarray, int, int], Levels]


def write_fixed(levels: np.ndarray, negative: np.ndarray, num_levels: int) -> np.ndarray:
    """Return a sign and ⌈log₂(levels + 1)⌉ bits for each number."""
    bits = num_levels.bit_length()
    wide: np.dtype[Any] = np.dtype(np.uint8 if bits < 8 else np.uint32)
    codes = levels.astype(wide, copy=False)
    return pack_bits(codes | negative.astype(wide) << wide.type(bits), bits + 1)


def read_fixed(body: np.ndarray, num_elements: int, num_levels: int) -> Levels:
    """Return levels and signs; a zero's sign must be plus."""
    bits = num_levels.bit_length()
    codes = unpack_bits(body, bits + 1, num_elements)
    levels, negative = codes & np.uint32(2**bits - 1), codes >> np.uint32(bits) != 0
    if (negative & (levels == 0)).any():
        raise MessageError("message is inconsistent: it has a negative zero")
    return _checked(levels, num_levels), negative


def write_elias(levels: np.ndarray, negative: np.ndarray, num_levels: int) -> np.ndarray:
    """Return how many are not zero, their signs, and Elias's code of their gaps and levels.

    A gap is the distance to the non-zero before, and the first one's position counted from one.
    """
    places = np.flatnonzero(levels)
    numbers = np.concatenate([np.diff(places, prepend=-1), levels[places]])
    signs = pack_bits(negative[places], 1)
    return np.concatenate([pack_uint32(len(places)), signs, elias_encode(numbers)])


def read_elias(body: np.ndarray, num_elements: int, num_levels: int) -> Levels:
    """Return levels and signs; the gaps must end within the gradient."""
    num_nonzero, signs, body = _take_signs(body, num_elements)
    numbers = elias_decode(body, 2 * num_nonzero)
    places = np.cumsum(numbers[:num_nonzero]) - 1
    if num_nonzero and places[-1] >= num_elements:
        raise MessageError(f"message is inconsistent: entry {places[-1]} of {num_elements}")
    levels, negative = np.zeros(num_elements, np.uint32), np.zeros(num_elements, np.bool_)
    levels[places], negative[places] = _checked(numbers[num_nonzero:], num_levels), signs
    return levels, negative


def write_dense(levels: np.ndarray, negative: np.ndarray, num_levels: int) -> np.ndarray:
    """Return how many are not zero, their signs, and Elias's code of each level plus one."""
    signs = pack_bits(negative[levels > 0], 1)
    count = pack_uint32(int(np.count_nonzero(levels)))
    return np.concatenate([count, signs, elias_encode(levels.astype(np.int64) + 1)])


def read_dense(body: np.ndarray, num_elements: int, num_levels: int) -> Levels:
    """Return levels and signs; there must be as many signs as levels above zero."""
    num_nonzero, signs, body = _take_signs(body, num_elements)
    levels = _checked(elias_decode(body, num_elements) - 1, num_levels)
    if np.count_nonzero(levels) != num_nonzero:
        raise MessageError(f"message is inconsistent: it has not {num_nonzero} levels above zero")
    negative = np.zeros(num_elements, np.bool_)
    negative[levels > 0] = signs
    return levels, negative


CODES: dict[str, tuple[Write, Read]] = {
    "fixed": (write_fixed, read_fixed),
    "elias": (write_elias, read_elias),
    "elias_dense": (write_dense, read_dense),
}


def _take_signs(body: np.ndarray, num_elements: int) -> tuple[int, np.ndarray, np.ndarray]:
    (num_nonzero,), body = take_uint32(body, 1)
    if num_nonzero > num_elements:
        raise MessageError(f"message is inconsistent: {num_nonzero} of {num_elements} not zero")
    signs, body = take(body, packed_bytes(num_nonzero, 1))
    return num_nonzero, unpack_bits(signs, 1, num_nonzero) == 1, body


def _checked(levels: np.ndarray, num_levels: int) -> np.ndarray:
    if len(levels) and levels.max() > num_levels:
        raise MessageError(f"message must have levels up to {num_levels}, got {levels.max()}")
    return levels
