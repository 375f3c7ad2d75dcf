"""Numbers with units keep three digits, and powers of ten."""

import pytest

from mlsys_lib.core.units import format_bytes, format_count, format_seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1024, "1.02 kB"),
        (1_750_000, "1.75 MB"),
        (16e9, "16 GB"),
        (2.5e12, "2.5 TB"),
        (3e15, "3 PB"),
        (999_999, "1 MB"),
    ],
)
def test_bytes_are_powers_of_ten(value: float, text: str) -> None:
    assert format_bytes(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ns"),
        (5e-9, "5 ns"),
        (50e-6, "50 µs"),
        (0.00056, "560 µs"),
        (0.25, "250 ms"),
        (1, "1 s"),
        (90, "90 s"),
        (0.9999999, "1 s"),
        (3600, "3600 s"),
    ],
)
def test_seconds_choose_their_unit(value: float, text: str) -> None:
    assert format_seconds(value) == text


def test_counts_are_grouped_by_three() -> None:
    narrow = format_count(1_234_567)
    assert narrow.split() == ["1", "234", "567"]
    assert format_count(999) == "999"


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_impossible_sizes_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"^size_bytes must be finite and >= 0, got "):
        format_bytes(value)
    with pytest.raises(ValueError, match=r"^duration_s must be finite and >= 0, got "):
        format_seconds(value)
