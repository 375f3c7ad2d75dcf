"""Top-k keeps the largest entries, is a contraction, and is small."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from mlsys_lib.gradient_compression.index_code import index_bits
from mlsys_lib.gradient_compression.topk import TopK, largest
from mlsys_lib.gradient_compression.wire import MessageError
from tests.gradient_compression.compressor_checks import (
    check_contraction,
    check_edges,
    check_hostile_bytes,
    check_refusals,
    square,
    vectors,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("k", "count"), [(1, 1), (7, 3), (7, 7), (1000, 10), (1000, 999)])
def test_kept_entries_are_those_of_torch(k: int, count: int) -> None:
    x = np.random.default_rng(k + count).normal(size=k).astype(np.float32)
    indices = torch.topk(torch.from_numpy(x).abs(), count).indices.numpy()
    expected = np.zeros(k)
    expected[indices] = x[indices]
    np.testing.assert_array_equal(TopK(count).compress(x, RNG), expected)


def first_of_sorted(x: np.ndarray, count: int) -> list[int]:
    """Stable sort by falling magnitude; the meaning in one line."""
    return sorted(sorted(range(len(x)), key=lambda i: -abs(x[i]))[:count])


def test_a_sample_that_misleads_changes_nothing() -> None:
    """Every other number is large or small: a sample of each second one sees one kind only."""
    for start in (0, 1):
        x = np.arange(1.0, 2**16 + 1)
        x[start::2] += 2.0**20
        expected = np.sort(np.argsort(-x)[:3000])
        assert np.array_equal(largest(x, 3000), expected)
    assert np.array_equal(largest(np.ones(2**16), 7), np.arange(7))


def test_ties_go_to_the_lower_index() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        x = rng.integers(-2, 3, rng.integers(1, 9)).astype(np.float64)
        count = int(rng.integers(1, len(x) + 1))
        assert largest(x, count).tolist() == first_of_sorted(x, count)


@pytest.mark.parametrize("k", [1, 2, 5, 64])
def test_contraction_with_its_bound_and_equality_for_equal_entries(k: int) -> None:
    for count in {1, max(1, k // 3), k}:
        compressor = TopK(count)
        for x in vectors(k):
            check_contraction(compressor.compress, compressor.error_bound(k), x)
        error = compressor.compress(np.ones(k), RNG) - 1
        assert square(error) / k == pytest.approx(compressor.error_bound(k), abs=1e-12)


@pytest.mark.parametrize(("share", "left"), [(0.01, 0.907), (0.1, 0.557)])
def test_energy_left_of_gaussian_numbers(share: float, left: float) -> None:
    """Of one vector, as in section G of the reference numbers; and of very many.

    Beyond the quantile z with 1 - share = P(|X| < z) there is 2 (z φ(z) + P(X > z)) of E X² = 1.
    """
    x, z = np.random.default_rng(0).normal(size=1000), norm.isf(share / 2)
    error = square(TopK(int(1000 * share)).compress(x, RNG) - x) / square(x)
    assert error == pytest.approx(left, abs=0.02)
    many = np.random.default_rng(0).normal(size=200_000)
    error = square(TopK(int(200_000 * share)).compress(many, RNG) - many) / square(many)
    assert error == pytest.approx(1 - 2 * (z * norm.pdf(z) + norm.sf(z)), abs=0.003)


def test_one_percent_of_a_million_fits_into_a_fiftieth() -> None:
    x = np.random.default_rng(0).normal(size=10**6).astype(np.float32)
    size = len(TopK(10**4).encode(x, RNG))
    assert size <= 0.02 * 4 * 10**6
    assert 8 * size <= 1.001 * (index_bits(10**6, 10**4) + 32 * 10**4)


def test_edges_and_refusals() -> None:
    check_edges(TopK(1), (1, 2, 9))
    check_edges(TopK(3), (3, 8))
    check_refusals(TopK(2), 4)
    check_hostile_bytes(TopK(3), np.array([0.5, -2.0, 0.25, 8.0, 0.0, -0.125, 3.0]))


def test_a_rounding_to_float32_is_what_the_decoder_says() -> None:
    x = np.array([0.1, 1 / 3, 1e-3])
    np.testing.assert_array_equal(TopK(3).compress(x, RNG), x.astype(np.float32))


@pytest.mark.parametrize(("num_kept", "message"), [
    (0, "num_kept must be an integer >= 1, got 0"),
    (-1, "num_kept must be an integer >= 1, got -1"),
    (5, "num_kept must be an integer in 1…4, got 5"),
])  # fmt: skip
def test_a_number_that_cannot_be_kept_is_refused(num_kept: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TopK(num_kept).encode(np.ones(4), RNG)


def test_entries_beyond_float32_and_messages_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="must fit into float32, got 1e\\+300"):
        TopK(1).encode(np.array([1e300, 1.0]), RNG)
    with pytest.raises(MessageError, match="message must have 2 entries, got 1"):
        TopK(2).decode(TopK(1).encode(np.ones(4), RNG))


def largest_without_magnitude(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A wrong version: the largest numbers, so negative ones never go."""
    return np.where(np.arange(len(x)) == np.argmax(x), x, 0.0)


def kept_and_scaled(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A wrong version: scaled as if the entries had been drawn at random."""
    return len(x) * TopK(1).compress(x, rng)


@pytest.mark.parametrize("wrong", [largest_without_magnitude, kept_and_scaled])
def test_planted_version_is_no_contraction(wrong: object) -> None:
    with pytest.raises(AssertionError):
        for x in vectors(5):
            check_contraction(wrong, TopK(1).error_bound(5), x)  # type: ignore[arg-type]
