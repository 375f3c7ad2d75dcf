"""Messages of real packed bytes: a header, fields, and numbers of a few bits each.

A message is a one-dimensional uint8 array. Its header is one byte that says which compressor wrote
it, and k, the numbers in the gradient, as four bytes (little-endian, as all fields). The body is up
to the compressor. So the length of the array is what a network would carry, and a decoder can be
handed bytes of any origin: what does not fit raises `MessageError` before memory is taken for it.

>>> message = seal(Kind.SIGN, 3, pack_float32(0.5), pack_bits(np.array([1, 0, 1]), width=1))
>>> message
array([ 7,  3,  0,  0,  0,  0,  0,  0, 63,  5], dtype=uint8)
>>> num_elements, body = open_message(message, Kind.SIGN)
>>> scale, body = take_float32(body, 1)
>>> num_elements, scale, unpack_bits(body, width=1, count=3)
(3, array([0.5]), array([1, 0, 1], dtype=uint32))
"""

import math
from enum import IntEnum

import numpy as np

HEADER_BYTES = 5
FLOAT_BYTES = 4
MAX_ELEMENTS = 2**26  # 512 MiB when decoded: what one message may make its receiver allocate
MAX_WIDTH = 32
FLOAT32_SLACK = 1 + 2.0**-23  # by what factor rounding up to float32 may enlarge a normal number


class Kind(IntEnum):
    """The first byte of a message: which compressor wrote it."""

    UNCOMPRESSED = 1
    QSGD_FIXED = 2
    QSGD_ELIAS = 3
    QSGD_ELIAS_DENSE = 4
    TERNGRAD = 5
    ONE_BIT = 6
    SIGN = 7
    VOTE = 8
    TOP_K = 9
    RANDOM_K = 10
    THRESHOLD = 11
    ATOMO = 12
    SPECTRAL_ATOMO = 13
    POWER_SGD = 14


class MessageError(ValueError):
    """Bytes that are no message of this compressor: truncated, foreign, too long, inconsistent."""


def seal(kind: Kind, num_elements: int, *parts: np.ndarray) -> np.ndarray:
    """Return header and parts as one message.

    Parameters
    ----------
    kind : Kind
    num_elements : int
        k, in 1…MAX_ELEMENTS.
    *parts : ndarray of shape (num_bytes,), uint8
        The body, in order.

    Returns
    -------
    ndarray of shape (5 + bytes of the parts,), uint8
    """
    if not 1 <= num_elements <= MAX_ELEMENTS:
        raise ValueError(f"num_elements must be in 1…{MAX_ELEMENTS}, got {num_elements}")
    return np.concatenate([np.array([kind], np.uint8), pack_uint32(num_elements), *parts])


def open_message(message: np.ndarray, kind: Kind) -> tuple[int, np.ndarray]:
    """Return k and the body of a message of this kind.

    Raises
    ------
    MessageError
        If it is no byte array, ends within the header, was written by another compressor, or says
        a k outside 1…MAX_ELEMENTS.
    """
    if not isinstance(message, np.ndarray) or message.dtype != np.uint8 or message.ndim != 1:
        raise MessageError("message must be a one-dimensional array of uint8")
    if len(message) < HEADER_BYTES:
        raise MessageError(f"message must have >= {HEADER_BYTES} bytes, got {len(message)}")
    if message[0] != kind:
        raise MessageError(f"message must be of kind {kind.name}, got {_kind_name(message[0])}")
    (num_elements,), body = take_uint32(message[1:], 1)
    if not 1 <= num_elements <= MAX_ELEMENTS:
        raise MessageError(f"message must have 1…{MAX_ELEMENTS} numbers, says {num_elements}")
    return num_elements, body


def _kind_name(number: int) -> str:
    return Kind(number).name if number in Kind.__members__.values() else f"byte {number}"


def take(body: np.ndarray, num_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first bytes of a body and the rest; `MessageError` if it is shorter."""
    if len(body) < num_bytes:
        raise MessageError(f"message is truncated: {num_bytes} bytes expected, got {len(body)}")
    return body[:num_bytes], body[num_bytes:]


def finish(body: np.ndarray) -> None:
    """Raise `MessageError` if bytes are left."""
    if len(body):
        raise MessageError(f"message is too long: {len(body)} bytes are left over")


def pack_uint32(*values: int) -> np.ndarray:
    """Return integers in 0…2³² - 1 as bytes, four each."""
    return np.array(values, "<u4").view(np.uint8)


def take_uint32(body: np.ndarray, count: int) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the first `count` integers of a body, and the rest."""
    head, rest = take(body, 4 * count)
    return tuple(int(value) for value in np.frombuffer(head.tobytes(), "<u4")), rest


def pack_float32(values: np.ndarray | float) -> np.ndarray:
    """Return numbers as bytes, rounded to float32, four each.

    Raises
    ------
    ValueError
        If a number is beyond float32, about 3.4e38.
    """
    values = np.atleast_1d(np.asarray(values, np.float64))
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype("<f4")
    _refuse_infinite(values, rounded)
    return rounded.view(np.uint8)


def take_float32(body: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `count` numbers of a body as float64, and the rest; all are finite."""
    head, rest = take(body, FLOAT_BYTES * count)
    values = np.frombuffer(head.tobytes(), "<f4")
    if not np.isfinite(values).all():
        raise MessageError("message has a number that is not finite")
    return values.astype(np.float64), rest


def take_scales(body: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what `take_float32` does, of numbers that are not below 0."""
    values, rest = take_float32(body, count)
    if count and values.min() < 0:
        raise MessageError(f"message is inconsistent: it has the scale {values.min()}")
    return values, rest


def float32_above(value: float) -> float:
    """Return the least float32 that is not below `value`, as a float.

    A norm that travels as float32 must not be below the true one: the largest entry divided by it
    would exceed one, and no probability does.

    >>> float32_above(0.5), float32_above(0.1), float32_above(0.3)
    (0.5, 0.10000000149011612, 0.30000001192092896)
    """
    return float(each_float32_above(np.array([value], np.float64))[0])


def each_float32_above(values: np.ndarray) -> np.ndarray:
    """Return `float32_above` of each number of a float64 array, as float64.

    Raises
    ------
    ValueError
        If a number is beyond float32, about 3.4e38.
    """
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(np.float32)
        low = rounded < values
        rounded[low] = np.nextafter(rounded[low], np.float32(np.inf))
    _refuse_infinite(values, rounded)
    return rounded.astype(np.float64)


def _refuse_infinite(values: np.ndarray, rounded: np.ndarray) -> None:
    if not np.isfinite(rounded).all():
        worst = values[~np.isfinite(rounded)][0]
        raise ValueError(f"numbers of a message must fit into float32, got {worst}")


def packed_bytes(count: int, width: int) -> int:
    """Return the bytes that `count` numbers of `width` bits take: ⌈count · width / 8⌉."""
    return math.ceil(count * width / 8)


def pack_bits(values: np.ndarray, width: int) -> np.ndarray:
    """Return integers as `width` bits each, lowest bit first, the last byte filled with zeros.

    Parameters
    ----------
    values : ndarray of shape (count,), integer or bool
        Each in 0…2^width - 1.
    width : int
        In 1…32.

    Returns
    -------
    ndarray of shape (⌈count · width / 8⌉,), uint8

    Notes
    -----
    Takes width bytes of memory a number on the way.
    """
    _check_width(width)
    if values.size and (values.min() < 0 or int(values.max()) >> width):
        raise ValueError(f"values must be in 0…{2**width - 1} to be {width} bits wide")
    if width == 8:
        return values.astype(np.uint8)
    size = 1 if width < 8 else 4
    rows = values.astype(f"<u{size}").view(np.uint8).reshape(len(values), size)
    bits = np.unpackbits(rows, axis=1, count=width, bitorder="little")
    return np.packbits(bits.ravel(), bitorder="little")


def unpack_bits(body: np.ndarray, width: int, count: int) -> np.ndarray:
    """Return the `count` integers of `width` bits that make up the whole body.

    Returns
    -------
    ndarray of shape (count,), uint32

    Raises
    ------
    MessageError
        If the body is shorter or longer, or its last byte is not filled with zeros.
    """
    _check_width(width)
    head, rest = take(body, packed_bytes(count, width))
    finish(rest)
    if len(head) and int(head[-1]) >> (8 - (-count * width) % 8):
        raise MessageError("message is inconsistent: its last bits are not zero")
    if width == 8:
        return head.astype(np.uint32)
    bits = np.unpackbits(head, count=count * width, bitorder="little").reshape(count, width)
    values = np.zeros((count, 4), np.uint8)
    values[:, : packed_bytes(1, width)] = np.packbits(bits, axis=1, bitorder="little")
    return values.view("<u4").reshape(count).astype(np.uint32)


def _check_width(width: int) -> None:
    if not 1 <= width <= MAX_WIDTH:
        raise ValueError(f"width must be in 1…{MAX_WIDTH}, got {width}")
