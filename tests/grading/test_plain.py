"""Plain data survive a crossing as they are; nothing else, and nothing malformed, crosses."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.grading import plain
from mlsys_lib.grading.plain import FrameError, NotPlainError, decode, encode


def crossed(value: Any) -> Any:
    buffers = plain.frame(7, value)
    number, tree_bytes, size = plain.read_header(buffers[0])
    assert (number, tree_bytes) == (7, len(buffers[1]))
    decoded, arrays = decode(buffers[1], size)
    filled = [array for array in arrays if array.nbytes]
    for array, buffer in zip(filled, buffers[2:], strict=True):
        plain.bytes_of(array)[:] = buffer
    plain.check_filled(arrays)
    return decoded


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 2**63, -(2**63), 2**255 - 1, 0.1, -0.0, "", "ä€\0", [], (), {},
     [1, (2.0, "3"), {"a": [None], 4: ()}], {"1": 1, 1: "1"}],
    ids=repr,
)  # fmt: skip
def test_values_arrive_as_they_are(value: Any) -> None:
    assert repr(crossed(value)) == repr(value)


@pytest.mark.parametrize("dtype", plain.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (0, 2**20)])
def test_arrays_and_scalars_arrive_as_they_are(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)
    there = crossed([array, np.dtype(dtype).type(1)])
    assert there[0].dtype == array.dtype
    assert there[0].shape == shape
    assert np.array_equal(there[0], array)
    assert type(there[1]) is np.dtype(dtype).type
    assert there[1] == 1


@pytest.mark.parametrize("view", ["[::2]", ".T", "[::-1]"])
def test_arrays_with_gaps_arrive_whole(view: str) -> None:
    array = eval(f"np.arange(12.0).reshape(4, 3){view}")
    assert np.array_equal(crossed(array), array)


def test_one_array_twice_is_one_array() -> None:
    array = np.ones(3)
    there = crossed({"a": array, "b": [array]})
    assert there["a"] is there["b"][0]


class _Text(str):
    pass


@pytest.mark.parametrize(
    "value",
    [{1}, b"", 1j, object(), _Text("a"), 2**256, "\udc80", {1.5: 1}, {True: 1}, {2**60: 1},
     {(1,): 1}, np.array(["a"]), np.array([None]), np.zeros(1, ">f8"), np.zeros(1, "M8[s]"),
     np.float64, np.ma.ones(1), [0] * plain.NODES, "a" * plain.TREE_BYTES],
    ids=lambda value: repr(value).split(" at 0x")[0][:30],
)  # fmt: skip
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(NotPlainError):
        encode(value)


def test_depth_is_bounded_on_both_sides() -> None:
    value: list[Any] = []
    for _ in range(plain.DEPTH - 1):
        value = [value]
    assert crossed(value) == value
    with pytest.raises(NotPlainError, match="nested deeper"):
        encode([value])
    with pytest.raises(FrameError, match="too deep"):
        decode(b"l\1\0\0\0" * plain.DEPTH + b"N", 0)


MALFORMED = {
    "empty": b"", "an unknown tag": b"z", "two values": b"NN", "half an int": b"i\0",
    "half a string": b"s\5\0\0\0ab", "not UTF-8": b"s\1\0\0\0\xff",
    "a surrogate": b"s\3\0\0\0\xed\xa0\x80", "a list without its items": b"l\xff\xff\xff\xff",
    "a key twice": b"d\2\0\0\0" + 2 * (b"i" + bytes(8) + b"N"),
    "a list as key": b"d\1\0\0\0l" + bytes(4),
    "a dtype too many": b"n\x0e", "an array of objects": b"a\xff\0", "half a scalar": b"n\x0b\0",
    "an array that has not come": b"r\0\0\0\0", "a bool of 2": b"n\0\2",
    "more dimensions than arrays have": b"a\x01\x50" + bytes(8 * 0x50),
    "a length without end": b"a\1\1" + b"\xff" * 8,
    "an array beyond its frame": b"a\1\1\1" + bytes(7),
}  # fmt: skip


@pytest.mark.parametrize("tree", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_tree_is_refused_before_anything_is_made(tree: bytes) -> None:
    with pytest.raises(FrameError):
        decode(tree, 0)


def test_every_tree_that_was_cut_or_changed_is_read_or_refused() -> None:
    tree, _ = encode([1, 2.5, "three", (None, True), {"k": np.float32(4), 5: np.ones(2)}])
    rng = np.random.default_rng(0)
    for _ in range(3000):
        changed = bytearray(tree[: rng.integers(1, len(tree) + 1)])
        changed[rng.integers(len(changed))] = rng.integers(256)
        try:
            decode(changed, 16)
        except FrameError:
            continue


def test_arrays_that_the_header_does_not_announce_are_refused() -> None:
    tree, _ = encode(np.ones(2))
    for size in (0, 15, 17):
        with pytest.raises(FrameError):
            decode(tree, size)


def test_a_header_beyond_the_limits_is_refused() -> None:
    header = plain.HEADER.pack(plain.MAGIC, 1, 10, 1000)
    assert plain.read_header(header, 1000) == (1, 10, 1000)
    with pytest.raises(FrameError, match="a frame of 10"):
        plain.read_header(header, 999)
    with pytest.raises(FrameError):
        plain.read_header(plain.HEADER.pack(plain.MAGIC, 1, plain.TREE_BYTES + 1, 0))
    with pytest.raises(FrameError, match="not a frame"):
        plain.read_header(b"x" * plain.HEADER.size)
