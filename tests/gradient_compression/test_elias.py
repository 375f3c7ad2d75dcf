import re
import tracemalloc

import numpy as np
import pytest

from mlsys_lib.gradient_compression import elias
from mlsys_lib.gradient_compression.elias import elias_decode, elias_encode, elias_lengths
from mlsys_lib.gradient_compression.wire import MessageError


def omega(number: int) -> str:
    """The definition, a bit at a time."""
    text = "0"
    while number > 1:
        text, number = f"{number:b}{text}", number.bit_length() - 1
    return text


def gamma(number: int) -> str:
    """Elias's other code, a wrong one here: zeros that say how long the binary form is."""
    return "0" * (number.bit_length() - 1) + f"{number:b}"


def without_end(number: int) -> str:
    """A plausible wrong version: the groups, but no 0 behind them."""
    return omega(number)[:-1]


def as_bytes(text: str) -> np.ndarray:
    text += "0" * (-len(text) % 8)
    return np.array([int(text[i : i + 8], 2) for i in range(0, len(text), 8)], np.uint8)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, "0"),
        (2, "10 0"),
        (3, "11 0"),
        (4, "10 100 0"),
        (7, "10 111 0"),
        (8, "11 1000 0"),
        (16, "10 100 10000 0"),
        (100, "10 110 1100100 0"),
        (1000, "11 1001 1111101000 0"),
    ],
)
def test_codes_are_those_of_eliass_table(number: int, code: str) -> None:
    text = code.replace(" ", "")
    assert omega(number) == text
    np.testing.assert_array_equal(elias_encode(np.array([number])), as_bytes(text))
    assert elias_lengths(np.array([number])).tolist() == [len(text)]


def samples() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    ends = [int(2.0**power) for power in rng.uniform(1, 32, 60)]
    return [rng.integers(1, end + 1, rng.integers(0, 80)) for end in ends]


def test_random_numbers_agree_with_the_definition_and_come_back() -> None:
    for values in samples():
        code = elias_encode(values)
        np.testing.assert_array_equal(code, as_bytes("".join(map(omega, values.tolist()))))
        np.testing.assert_array_equal(elias_decode(code, len(values)), values)


@pytest.mark.parametrize("wrong", [gamma, without_end])
def test_wrong_codes_are_told_apart(wrong: object) -> None:
    values = np.arange(1, 50)
    text = "".join(wrong(int(value)) for value in values)  # type: ignore[operator]
    assert not np.array_equal(elias_encode(values), as_bytes(text))


@pytest.mark.parametrize("power", range(33))
def test_numbers_around_each_power_of_two(power: int) -> None:
    values = np.arange(max(1, 2**power - 2), min(2**power + 2, 2**32 - 1) + 1)
    lengths = [len(omega(int(value))) for value in values]
    assert elias_lengths(values).tolist() == lengths
    assert max(lengths) <= elias.LONGEST
    np.testing.assert_array_equal(elias_decode(elias_encode(values), len(values)), values)


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 64])
def test_codes_may_cross_from_block_to_block(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(elias, "BLOCK_BYTES", block_bytes)
    for values in samples()[:20]:
        np.testing.assert_array_equal(elias_decode(elias_encode(values), len(values)), values)


def test_many_blocks_come_back() -> None:
    values = np.random.default_rng(1).geometric(0.01, 100_000)
    code = elias_encode(values)
    assert len(code) > 3 * elias.BLOCK_BYTES
    assert len(code) == -(-int(elias_lengths(values).sum()) // 8)
    np.testing.assert_array_equal(elias_decode(code, len(values)), values)


def test_no_numbers_are_no_bytes() -> None:
    nothing = np.zeros(0, np.int64)
    assert len(elias_encode(nothing)) == 0
    assert len(elias_decode(np.zeros(0, np.uint8), 0)) == 0


@pytest.mark.parametrize("bad", [0, -3, 2**32])
def test_numbers_without_a_code_are_refused(bad: int) -> None:
    with pytest.raises(ValueError, match=re.escape("values must be in 1…4294967295")):
        elias_encode(np.array([1, bad]))


def test_truncated_and_longer_codes_are_refused() -> None:
    values = np.array([5, 1, 900, 3, 70_000, 2**32 - 1])
    code = elias_encode(values)
    for length in range(len(code)):
        with pytest.raises(MessageError):
            elias_decode(code[:length], len(values))
    for extra in (0, 255):
        with pytest.raises(MessageError, match="ends elsewhere"):
            elias_decode(np.append(code, np.uint8(extra)), len(values))
    with pytest.raises(MessageError, match="truncated"):
        elias_decode(code, 10**9)


def test_bits_behind_the_last_code_must_be_zero() -> None:
    code = elias_encode(np.array([4]))  # 101000 and two bits of filling
    code[-1] |= 1
    with pytest.raises(MessageError, match="last bits are not zero"):
        elias_decode(code, 1)


def test_a_code_of_a_larger_number_is_refused() -> None:
    code = as_bytes(omega(2**32))
    with pytest.raises(MessageError, match="a code of 2³² or above"):
        elias_decode(code, 1)


def test_random_bytes_give_numbers_or_an_error_and_take_little_memory() -> None:
    rng = np.random.default_rng(2)
    tracemalloc.start()
    outcomes = set()
    for _ in range(300):
        body = rng.integers(0, 256, rng.integers(1, 4)).astype(np.uint8)
        try:
            values = elias_decode(body, int(rng.integers(1, 9)))
        except MessageError:
            outcomes.add("refused")
        else:
            outcomes.add("read")
            np.testing.assert_array_equal(elias_encode(values), body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcomes == {"refused", "read"}
    assert peak < 5_000_000
