from fractions import Fraction

import numpy as np
import pytest

from mlsys_lib.federated_learning.encoding import FixedPoint


@pytest.mark.parametrize(("bits", "fractional_bits"), [(16, 8), (32, 16), (64, 32), (64, 0)])
def test_sums_are_the_exact_sums_of_the_rounded_values(bits: int, fractional_bits: int) -> None:
    """Oracle: Python's fractions, which round nothing."""
    ring = FixedPoint(bits, fractional_bits, num_summands=7)
    values = np.random.default_rng(0).uniform(-ring.largest, ring.largest, (7, 50))
    total = np.zeros(50, ring.dtype)
    for row in values:
        total += ring.encode(row)
    unit = 2**fractional_bits
    exact = [sum(Fraction(round(Fraction(v) * unit), unit) for v in c) for c in values.T]
    np.testing.assert_array_equal(ring.decode(total), [float(value) for value in exact])


def test_each_value_is_off_by_half_a_unit_at_most() -> None:
    ring, values = FixedPoint(32, 10), np.random.default_rng(1).normal(size=1000)
    assert np.abs(ring.decode(ring.encode(values)) - values).max() <= 2**-11


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_the_largest_values_fit_and_the_next_ones_are_refused(bits: int) -> None:
    ring = FixedPoint(bits, 4, num_summands=3)
    for sign in (1, -1):
        word = ring.encode(np.array([sign * ring.largest]))
        assert ring.decode(word + word + word) == pytest.approx(3 * sign * ring.largest, rel=1e-15)
        with pytest.raises(ValueError, match=r"values must be in ±.* for sums of 3 not to wrap"):
            ring.encode(np.array([sign * np.nextafter(ring.largest, np.inf)]))


@pytest.mark.parametrize("num_summands", [1, 2, 3, 4, 7, 1000])
@pytest.mark.parametrize(("bits", "fractional_bits"), [(16, 3), (32, 0), (64, 0), (64, 32)])
def test_no_float_that_is_taken_wraps(bits: int, fractional_bits: int, num_summands: int) -> None:
    """2^63 - 1 is no float64, and the nearest one, 2^63, is past the ring: `largest` is below."""
    ring = FixedPoint(bits, fractional_bits, num_summands)
    full = 2 ** (bits - 1) - 1  # what a sum may reach
    steps = round(Fraction(ring.largest) * 2**fractional_bits)
    assert steps * num_summands <= full
    above = round(Fraction(np.nextafter(ring.largest, np.inf)) * 2**fractional_bits)
    assert bits < 64 or above * num_summands > full  # and not further below than it must
    word = ring.encode(np.array([ring.largest, -ring.largest]))
    total = (word * np.array(num_summands, ring.dtype)).astype(ring.dtype)
    assert ring.decode(total).tolist() == [s * num_summands * ring.largest for s in (1, -1)]


@pytest.mark.parametrize(("ring", "value"), [(FixedPoint(64, 0), 2.0**63), (FixedPoint(), 1e308)])
def test_a_value_past_the_ring_is_refused_without_a_warning(ring: FixedPoint, value: float) -> None:
    for sign in (1, -1):
        with pytest.raises(ValueError, match=r"values must be in ±.* for sums of 1 not to wrap"):
            ring.encode(np.array([0.0, sign * value]))


def test_without_the_margin_for_the_summands_a_sum_would_wrap() -> None:
    """Planted: the range of one value taken for each of two."""
    ring = FixedPoint(16, 0, num_summands=1)
    word = ring.encode(np.array([20_000.0]))
    assert ring.decode(word + word) == 40_000 - 2**16


def test_empty_and_zero() -> None:
    ring = FixedPoint()
    assert ring.decode(ring.encode(np.zeros(0))).shape == (0,)
    assert ring.decode(ring.encode(np.array([0.0, -0.0]))).tolist() == [0, 0]
    assert ring.encode(np.array([-(2.0**-32)])).tolist() == [2**64 - 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, 4, 1), "bits must be one of '16', '32', '64', got '8'"),
        ((16, 16, 1), "fractional_bits must be an integer in 0…15, got 16"),
        ((16, -1, 1), "fractional_bits must be an integer in 0…15, got -1"),
        ((16, 4, 0), "num_summands must be an integer in 1…32767, got 0"),
    ],
)
def test_bad_rings_are_refused(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FixedPoint(*arguments)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="values must be finite"):
        FixedPoint().encode(np.array([0.0, value]))
