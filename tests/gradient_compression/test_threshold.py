"""The threshold keeps what is large enough, and bounds each entry's error."""

import numpy as np
import pytest

from mlsys_lib.gradient_compression.memory import ErrorFeedback
from mlsys_lib.gradient_compression.threshold import Threshold
from tests.gradient_compression.compressor_checks import (
    check_contraction,
    check_edges,
    check_hostile_bytes,
    check_refusals,
    square,
    vectors,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0, 5.0])
def test_kept_entries_are_those_of_the_definition(threshold: float) -> None:
    for x in vectors(20):
        expected = [float(v) if abs(v) >= threshold else 0.0 for v in x]
        np.testing.assert_array_equal(Threshold(threshold).compress(x, RNG), expected)


def test_an_entry_at_the_threshold_is_kept() -> None:
    x = np.array([1.0, -1.0, np.nextafter(1.0, 0.0)])
    assert Threshold(1.0).compress(x, RNG).tolist() == [1.0, -1.0, 0.0]


@pytest.mark.parametrize("k", [1, 5, 64])
def test_errors_are_within_both_bounds(k: int) -> None:
    for threshold in (0.0, 0.3, 2.0):
        compressor = Threshold(threshold)
        for x in vectors(k):
            check_contraction(compressor.compress, compressor.error_bound(k), x)
            error = square(compressor.compress(x, RNG) - x)
            assert error <= compressor.absolute_error_bound(k)


def test_no_share_of_the_error_is_guaranteed() -> None:
    x = np.full(4, 0.9)
    assert square(Threshold(1.0).compress(x, RNG) - x) == square(x)


def test_the_memory_stays_below_the_threshold_whatever_comes() -> None:
    compressor, memory = Threshold(1.0), ErrorFeedback()
    rng = np.random.default_rng(0)
    for _ in range(300):
        wanted = memory.add(0.3 * rng.standard_cauchy(50).astype(np.float32))
        memory.keep(wanted, compressor.compress(wanted, rng))
        assert memory.memory is not None and np.abs(memory.memory).max() < 1 + 1e-3


def test_edges_and_refusals() -> None:
    check_edges(Threshold(0.5), (1, 2, 9))
    check_edges(Threshold(0.0), (1, 9))
    check_edges(Threshold(1e9), (1, 9))
    check_refusals(Threshold(0.5), 4)
    check_hostile_bytes(Threshold(0.5), np.array([0.5, -2.0, 0.25, 8.0, 0.0, -0.125, 3.0]))
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="threshold must be finite and >= 0"):
            Threshold(bad)


def test_planted_version_without_magnitude_is_rejected() -> None:
    """Keeps x >= threshold: large negative entries stay in the memory."""
    x = np.array([3.0, -3.0], np.float32)
    wrong = np.where(x >= 1.0, x, 0.0)
    assert square(wrong - x) > Threshold(1.0).absolute_error_bound(2)
