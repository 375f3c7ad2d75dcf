"""Plain data and the frames that carry it: all that crosses between the grader and a student.

Plain data are None, bool, int, float, str, list, tuple, dict with str or int keys, and NumPy arrays
and scalars of numbers. Types are exact: a subclass may lie about its length, its items or its
equality, so it is refused. Nothing of Python's own (pickle, marshal) reads what a student sends.

A frame is a header, a tree and the bytes of its arrays. In the tree each value is a tag byte and
its content; every count and size is checked before anything is allocated for it.
"""

from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import Any

import numpy as np
from numpy import ascontiguousarray, empty, ndarray, uint8

TREE_BYTES = 2**22
DEPTH = 32
NODES = 200_000
INT_BYTES = 32
ARRAY_BYTES = 2**28

HEADER = Struct("<4sQIQ")  # magic, number of the request, bytes of the tree, bytes of the arrays
MAGIC = b"mls1"

DTYPES = (
    "|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8",
    "<f2", "<f4", "<f8", "<c8", "<c16",
)  # fmt: skip
_CODES = {name: code for code, name in enumerate(DTYPES)}
_DTYPES = tuple(np.dtype(name) for name in DTYPES)
_SCALARS = {dtype.type: code for code, dtype in enumerate(_DTYPES)}
_KEY_LIMIT = 2**60  # below the modulus of Python's hash, so that no keys can be made to collide

_BYTE, _COUNT, _INT, _FLOAT = Struct("<B"), Struct("<I"), Struct("<q"), Struct("<d")
_ARRAY, _SIZE = Struct("<BB"), Struct("<Q")  # dtype, number of dimensions


class NotPlainError(TypeError):
    """A value that cannot cross."""


class FrameError(ValueError):
    """Bytes that are no frame, or one beyond the limits."""


def frame(number: int, value: Any) -> list[Any]:
    """Return the buffers of a frame, to be written one after the other.

    Raises
    ------
    NotPlainError
        `value` is, or holds, something else than plain data, or too much of it.
    """
    tree, arrays = encode(value)
    size = sum(array.nbytes for array in arrays)
    buffers = [bytes_of(array) for array in arrays if array.nbytes]
    return [HEADER.pack(MAGIC, number, len(tree), size), tree, *buffers]


def bytes_of(array: ndarray) -> memoryview:
    """Return the bytes of an array; they share its memory if that is contiguous."""
    return ascontiguousarray(array).reshape(-1).view(uint8).data


def encode(value: Any) -> tuple[bytes, list[ndarray]]:
    """Return the tree of `value`, and its arrays, each once however often it occurs."""
    writer = _Writer()
    writer.put(value, DEPTH)
    if len(writer.tree) > TREE_BYTES:
        raise NotPlainError(f"more than {TREE_BYTES} bytes of values besides arrays")
    return bytes(writer.tree), writer.arrays


class _Writer:
    def __init__(self) -> None:
        self.tree = bytearray()
        self.arrays: list[ndarray] = []
        self._nodes = 0
        self._seen: dict[int, int] = {}  # id of an array -> its number

    def put(self, value: Any, depth: int) -> None:
        self._nodes += 1
        if depth == 0:
            raise NotPlainError(f"a value nested deeper than {DEPTH}, or that holds itself")
        if self._nodes > NODES:
            raise NotPlainError(f"more than {NODES} values")
        kind = type(value)
        write = _WRITERS.get(kind)
        if write is not None:
            write(self, value, depth)
        elif kind in _SCALARS:
            self.tree += b"n" + _BYTE.pack(_SCALARS[kind]) + value.tobytes()
        else:
            raise NotPlainError(f"an object of type {_name_of(kind)}")

    def put_atom(self, value: Any, depth: int) -> None:
        self.tree += b"N" if value is None else b"T" if value else b"F"

    def put_int(self, value: int, depth: int) -> None:
        if -(2**63) <= value < 2**63:
            self.tree += b"i" + _INT.pack(value)
            return
        try:
            self.tree += b"I" + value.to_bytes(INT_BYTES, "little", signed=True)
        except OverflowError:
            raise NotPlainError(f"an int of more than {8 * INT_BYTES} bits") from None

    def put_float(self, value: float, depth: int) -> None:
        self.tree += b"f" + _FLOAT.pack(value)

    def put_str(self, value: str, depth: int) -> None:
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise NotPlainError("text that is not Unicode (a lone surrogate)") from None
        self.tree += b"s" + _COUNT.pack(len(data)) + data

    def put_items(self, value: list[Any] | tuple[Any, ...], depth: int) -> None:
        self.tree += (b"l" if type(value) is list else b"t") + _COUNT.pack(len(value))
        for item in value:
            self.put(item, depth - 1)

    def put_dict(self, value: dict[Any, Any], depth: int) -> None:
        self.tree += b"d" + _COUNT.pack(len(value))
        for key, item in value.items():
            if type(key) is not str and (type(key) is not int or abs(key) >= _KEY_LIMIT):
                raise NotPlainError(f"a dict with a key of type {_name_of(type(key))}")
            self.put(key, depth - 1)
            self.put(item, depth - 1)

    def put_array(self, value: ndarray, depth: int) -> None:
        number = self._seen.get(id(value))
        if number is not None:
            self.tree += b"r" + _COUNT.pack(number)
            return
        code = _CODES.get(value.dtype.str)
        if code is None:
            raise NotPlainError(f"an array of dtype {_cut(str(value.dtype), 100)}")
        self._seen[id(value)] = len(self.arrays)
        self.arrays.append(value)
        self.tree += b"a" + _ARRAY.pack(code, value.ndim)
        for size in value.shape:
            self.tree += _SIZE.pack(size)


_WRITERS: dict[type, Callable[[_Writer, Any, int], None]] = {
    type(None): _Writer.put_atom,
    bool: _Writer.put_atom,
    int: _Writer.put_int,
    float: _Writer.put_float,
    str: _Writer.put_str,
    list: _Writer.put_items,
    tuple: _Writer.put_items,
    dict: _Writer.put_dict,
    ndarray: _Writer.put_array,
}


def _name_of(kind: type) -> str:
    return _cut(str(type.__dict__["__name__"].__get__(kind)), 100)  # a metaclass may lie


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def read_header(data: bytes | bytearray, array_bytes: int = ARRAY_BYTES) -> tuple[int, int, int]:
    """Return number, tree bytes and array bytes of a header.

    Raises
    ------
    FrameError
        It is no header, or announces more than the limits.
    """
    magic, number, tree_bytes, size = HEADER.unpack(data)
    if magic != MAGIC:
        raise FrameError("not a frame")
    if tree_bytes > TREE_BYTES or size > array_bytes:
        raise FrameError(f"a frame of {tree_bytes} + {size} bytes")
    return number, tree_bytes, size


def decode(tree: bytes | bytearray, size: int) -> tuple[Any, list[ndarray]]:
    """Return the value of a tree, and its arrays, still to be filled in this order.

    Parameters
    ----------
    tree : bytes
    size : int
        Bytes of all arrays, as the header says.

    Raises
    ------
    FrameError
        The tree is malformed, or beyond the limits.
    """
    reader = _Reader(tree, size)
    value = reader.take(DEPTH)
    if reader.at != len(tree) or reader.bytes_left != 0:
        raise FrameError("a frame with more than its value")
    return value, reader.arrays


def check_filled(arrays: list[ndarray]) -> None:
    """Raise `FrameError` for a bool that is neither 0 nor 1: it would be equal to nothing."""
    for array in arrays:
        if array.dtype == np.bool_ and array.size and array.view(uint8).max() > 1:
            raise FrameError("a bool that is neither True nor False")


class _Reader:
    def __init__(self, tree: bytes | bytearray, size: int) -> None:
        self.at = 0
        self.bytes_left = size
        self.arrays: list[ndarray] = []
        self._tree = tree
        self._nodes = 0

    def take(self, depth: int) -> Any:
        self._nodes += 1
        if depth == 0 or self._nodes > NODES:
            raise FrameError("a value too deep, or too many of them")
        tag = self._bytes(1)
        if tag in b"NTF":
            return {b"N": None, b"T": True, b"F": False}[bytes(tag)]
        take = _READERS.get(bytes(tag))
        if take is None:
            raise FrameError("an unknown tag")
        return take(self, depth)

    def _bytes(self, count: int) -> bytes | bytearray:
        data = self._tree[self.at : self.at + count]
        if len(data) != count:
            raise FrameError("a frame that ends early")
        self.at += count
        return data

    def _one(self, layout: Struct) -> Any:
        try:
            (value,) = layout.unpack(self._bytes(layout.size))
        except StructError as error:
            raise FrameError(str(error)) from None
        return value

    def take_int(self, depth: int) -> int:
        number: int = self._one(_INT)
        return number

    def take_big_int(self, depth: int) -> int:
        return int.from_bytes(self._bytes(INT_BYTES), "little", signed=True)

    def take_float(self, depth: int) -> float:
        number: float = self._one(_FLOAT)
        return number

    def take_str(self, depth: int) -> str:
        try:
            return self._bytes(self._one(_COUNT)).decode()
        except UnicodeDecodeError:
            raise FrameError("text that is not UTF-8") from None

    def take_list(self, depth: int) -> list[Any]:
        return [self.take(depth - 1) for _ in range(self._one(_COUNT))]

    def take_tuple(self, depth: int) -> tuple[Any, ...]:
        return tuple(self.take_list(depth))

    def take_dict(self, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for _ in range(self._one(_COUNT)):
            key = self.take(depth - 1)
            if type(key) is not str and (type(key) is not int or abs(key) >= _KEY_LIMIT):
                raise FrameError("a dict with a key that is neither str nor int")
            if key in found:
                raise FrameError("a dict with the same key twice")
            found[key] = self.take(depth - 1)
        return found

    def take_scalar(self, depth: int) -> Any:
        dtype = self._dtype(self._one(_BYTE))
        one = empty(1, dtype)
        one.view(uint8)[:] = np.frombuffer(self._bytes(dtype.itemsize), uint8)
        check_filled([one])
        return one[0]

    def take_array(self, depth: int) -> ndarray:
        code, ndim = _ARRAY.unpack(self._bytes(_ARRAY.size))
        dtype = self._dtype(code)
        shape = tuple(self._one(_SIZE) for _ in range(ndim))
        size = dtype.itemsize
        for length in shape:
            size *= length
        if ndim > DEPTH or size > self.bytes_left or any(n > ARRAY_BYTES for n in shape):
            raise FrameError("an array larger than its frame")
        self.bytes_left -= size
        try:
            array = empty(shape, dtype)
        except ValueError as error:  # the product of the other lengths of an empty array
            raise FrameError(str(error)) from None
        self.arrays.append(array)
        return array

    def take_again(self, depth: int) -> ndarray:
        number: int = self._one(_COUNT)
        if number >= len(self.arrays):
            raise FrameError("an array that has not come")
        return self.arrays[number]

    @staticmethod
    def _dtype(code: int) -> np.dtype[Any]:
        if code >= len(_DTYPES):
            raise FrameError("an unknown dtype")
        return _DTYPES[code]


_READERS: dict[bytes, Callable[[_Reader, int], Any]] = {
    b"i": _Reader.take_int,
    b"I": _Reader.take_big_int,
    b"f": _Reader.take_float,
    b"s": _Reader.take_str,
    b"l": _Reader.take_list,
    b"t": _Reader.take_tuple,
    b"d": _Reader.take_dict,
    b"n": _Reader.take_scalar,
    b"a": _Reader.take_array,
    b"r": _Reader.take_again,
}
