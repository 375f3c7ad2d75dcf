import re
import tracemalloc

import numpy as np
import pytest

from mlsys_lib.gradient_compression import wire
from mlsys_lib.gradient_compression.wire import Kind, MessageError

ALL_WIDTHS = (1, 2, 3, 5, 7, 8, 9, 13, 16, 24, 31, 32)


def bits_one_by_one(values: list[int], width: int) -> list[int]:
    """What `pack_bits` should give: the bits as one long integer."""
    total = sum(value << width * place for place, value in enumerate(values))
    return list(total.to_bytes(-(-len(values) * width // 8), "little"))


@pytest.mark.parametrize("width", ALL_WIDTHS)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 100])
def test_packed_bits_are_those_of_one_long_integer(width: int, count: int) -> None:
    values = np.random.default_rng(width).integers(0, 2**width, count)
    packed = wire.pack_bits(values, width)
    assert packed.dtype == np.uint8
    assert packed.tolist() == bits_one_by_one(values.tolist(), width)
    np.testing.assert_array_equal(wire.unpack_bits(packed, width, count), values)


@pytest.mark.parametrize("width", ALL_WIDTHS)
def test_the_largest_value_of_a_width_fits_and_the_next_one_does_not(width: int) -> None:
    largest = np.array([0, 2**width - 1])
    packed = wire.pack_bits(largest, width)
    np.testing.assert_array_equal(wire.unpack_bits(packed, width, 2), largest)
    for wrong in (2**width, -1):
        with pytest.raises(ValueError, match=re.escape(f"0…{2**width - 1}")):
            wire.pack_bits(np.array([wrong]), width)


@pytest.mark.parametrize("width", [0, 33])
def test_a_width_that_no_field_has_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"width must be in 1…32, got {width}"):
        wire.pack_bits(np.array([0]), width)
    with pytest.raises(ValueError, match=f"width must be in 1…32, got {width}"):
        wire.unpack_bits(np.zeros(0, np.uint8), width, 0)


def test_bits_of_another_length_or_with_a_tail_are_refused() -> None:
    packed = wire.pack_bits(np.array([5, 2, 7]), 3)
    with pytest.raises(MessageError, match="truncated: 2 bytes expected, got 1"):
        wire.unpack_bits(packed[:1], 3, 3)
    with pytest.raises(MessageError, match="too long: 1 bytes"):
        wire.unpack_bits(np.append(packed, np.uint8(0)), 3, 3)
    packed[-1] |= 0x80
    with pytest.raises(MessageError, match="last bits are not zero"):
        wire.unpack_bits(packed, 3, 3)


def test_fields_come_back_in_order() -> None:
    body = np.concatenate([wire.pack_uint32(7, 2**32 - 1), wire.pack_float32(np.array([0.5, -3]))])
    assert body[:8].tolist() == [7, 0, 0, 0, 255, 255, 255, 255]
    integers, body = wire.take_uint32(body, 2)
    numbers, body = wire.take_float32(body, 2)
    assert integers == (7, 2**32 - 1)
    assert numbers.tolist() == [0.5, -3.0] and numbers.dtype == np.float64
    wire.finish(body)


@pytest.mark.parametrize("value", [3.5e38, -1e39, 1e300])
def test_a_number_beyond_float32_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=re.escape(f"must fit into float32, got {value}")):
        wire.pack_float32(np.array([1.0, value]))
    if value > 0:
        with pytest.raises(ValueError, match=re.escape(f"must fit into float32, got {value}")):
            wire.float32_above(value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_no_field(bad: float) -> None:
    body = np.array([bad], "<f4").view(np.uint8)
    with pytest.raises(MessageError, match="not finite"):
        wire.take_float32(body, 1)


def test_a_scale_below_zero_is_no_scale() -> None:
    with pytest.raises(MessageError, match=r"scale -1\.0"):
        wire.take_scales(wire.pack_float32(-1.0), 1)


def test_rounding_up_is_least_and_never_below() -> None:
    rng = np.random.default_rng(0)
    values = np.exp(rng.uniform(-100, 88, 2000))
    above = wire.each_float32_above(values)
    below = np.nextafter(above.astype(np.float32), np.float32(0)).astype(np.float64)
    assert np.all(above >= values) and np.all(below < values)
    assert np.all(above <= values * wire.FLOAT32_SLACK * (values > 1e-37) + (values <= 1e-37))
    nearest = values.astype(np.float32).astype(np.float64)
    assert np.mean(nearest < values) > 0.4, "plain rounding would be below for half of them"


@pytest.mark.parametrize("value", [0.0, 1.0, 0.375, 2.0**-149, float(np.finfo(np.float32).max)])
def test_a_float32_stays_itself(value: float) -> None:
    assert wire.float32_above(value) == value


def test_the_least_positive_number_is_not_rounded_to_zero() -> None:
    assert wire.float32_above(1e-300) == 2.0**-149


def test_a_message_has_a_header_of_five_bytes() -> None:
    message = wire.seal(Kind.TERNGRAD, 0x01020304, wire.pack_uint32(9))
    assert message.tolist() == [5, 4, 3, 2, 1, 9, 0, 0, 0]
    k, body = wire.open_message(message, Kind.TERNGRAD)
    assert k == 0x01020304 and body.tolist() == [9, 0, 0, 0]


@pytest.mark.parametrize("k", [0, -1, wire.MAX_ELEMENTS + 1])
def test_no_message_is_made_for_a_k_that_none_has(k: int) -> None:
    with pytest.raises(ValueError, match=f"num_elements must be in 1….*, got {k}"):
        wire.seal(Kind.SIGN, k)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "must have >= 5 bytes, got 0"),
        (b"\x07\x01\x00\x00", "must have >= 5 bytes, got 4"),
        (b"\x06\x01\x00\x00\x00", "must be of kind SIGN, got ONE_BIT"),
        (b"\xc8\x01\x00\x00\x00", "must be of kind SIGN, got byte 200"),
        (b"\x07\x00\x00\x00\x00", "numbers, says 0"),
        (b"\x07\xff\xff\xff\xff", "numbers, says 4294967295"),
    ],
)
def test_what_is_no_message_is_refused(message: bytes, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        wire.open_message(np.frombuffer(message, np.uint8), Kind.SIGN)


@pytest.mark.parametrize("message", [b"\x07\x01\x00\x00\x00", np.zeros(9), np.zeros((9, 1), "u1")])
def test_what_is_no_array_of_bytes_is_refused(message: object) -> None:
    with pytest.raises(MessageError, match="one-dimensional array of uint8"):
        wire.open_message(message, Kind.SIGN)  # type: ignore[arg-type]


def test_a_count_that_the_bytes_do_not_bear_takes_no_memory() -> None:
    tracemalloc.start()
    for read in (wire.take_uint32, wire.take_float32, wire.take_scales):
        with pytest.raises(MessageError, match="truncated"):
            read(np.zeros(8, np.uint8), 2**32 - 1)
    with pytest.raises(MessageError, match="truncated"):
        wire.unpack_bits(np.zeros(8, np.uint8), 32, 2**32 - 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
