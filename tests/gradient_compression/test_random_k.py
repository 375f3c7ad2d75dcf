"""Random-k: every set of entries as likely; unbiased when scaled, a contraction when not."""

from itertools import combinations

import numpy as np
import pytest

from mlsys_lib.gradient_compression.random_k import RandomK
from mlsys_lib.gradient_compression.wire import MessageError
from tests.gradient_compression.compressor_checks import (
    check_contraction,
    check_edges,
    check_hostile_bytes,
    check_refusals,
    check_unbiased,
    square,
    vectors,
)

RNG = np.random.default_rng(0)


def test_every_set_of_entries_is_as_likely() -> None:
    """20 sets, 2000 draws: each within five standard deviations (10) of 100."""
    rng, compressor = np.random.default_rng(0), RandomK(3, unbiased=False)
    counts = dict.fromkeys(combinations(range(6), 3), 0)
    for _ in range(2000):
        counts[tuple(np.flatnonzero(compressor.compress(np.ones(6), rng)).tolist())] += 1
    assert min(counts.values()) > 100 - 5 * 10 and max(counts.values()) < 100 + 5 * 10


@pytest.mark.parametrize("k", [1, 2, 7])
def test_scaled_it_is_unbiased_with_its_variance(k: int) -> None:
    compressor = RandomK((k + 1) // 2, unbiased=True)
    assert compressor.is_unbiased
    for x in vectors(k):
        check_unbiased(compressor.compress, x, draws=500)
        check_contraction(compressor.compress, compressor.error_bound(k), x, draws=200)


def mean_error(compressor: RandomK, x: np.ndarray) -> float:
    """Return E‖C(x) - x‖² / ‖x‖² as the mean over all sets, each as likely."""
    sets = list(combinations(range(len(x)), compressor.num_kept))
    factor = len(x) / compressor.num_kept if compressor.is_unbiased else 1.0
    errors = []
    for chosen in sets:
        sent = np.zeros(len(x))
        sent[list(chosen)] = factor * x[list(chosen)]
        errors.append(square(sent - x))
    return float(np.mean(errors)) / square(x)


@pytest.mark.parametrize("unbiased", [True, False])
def test_the_bound_is_the_exact_mean_error(unbiased: bool) -> None:
    x = np.random.default_rng(1).normal(size=7)
    for kept in (1, 3, 7):
        compressor = RandomK(kept, unbiased=unbiased)
        bound = compressor.error_bound(7)
        assert mean_error(compressor, x) == pytest.approx(bound, rel=1e-5, abs=1e-5)


def test_unscaled_it_is_a_contraction() -> None:
    compressor = RandomK(4, unbiased=False)
    for x in vectors(20):
        check_contraction(compressor.compress, compressor.error_bound(20), x, draws=100)


def test_the_same_state_of_chance_draws_the_same_entries() -> None:
    """And messages hold a seed instead of indices: 9 + 4 kept bytes."""
    compressor = RandomK(5, unbiased=False)
    a = compressor.encode(np.ones(100), np.random.default_rng(3))
    b = compressor.encode(np.full(100, 2.0), np.random.default_rng(3))
    assert len(a) == len(b) == 9 + 4 * 5
    np.testing.assert_array_equal(2 * compressor.decode(a), compressor.decode(b))


def test_edges_and_refusals() -> None:
    check_edges(RandomK(1, unbiased=True), (1, 2, 9))
    check_edges(RandomK(3, unbiased=False), (3, 8))
    check_refusals(RandomK(2, unbiased=True), 4)
    check_hostile_bytes(RandomK(3, unbiased=True), np.arange(1.0, 8.0))
    with pytest.raises(ValueError, match="num_kept must be an integer in 1…4, got 5"):
        RandomK(5, unbiased=True).encode(np.ones(4), RNG)
    with pytest.raises(ValueError, match="num_kept must be an integer >= 1, got 0"):
        RandomK(0, unbiased=True)
    with pytest.raises(MessageError, match="message must have >= 3 numbers, says 2"):
        RandomK(3, unbiased=True).decode(RandomK(2, unbiased=True).encode(np.ones(2), RNG))


def test_planted_version_with_entries_drawn_twice_is_rejected() -> None:
    """With replacement fewer entries go than the scale assumes."""

    def wrong(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        sent = np.zeros(len(x))
        chosen = rng.integers(len(x), size=3)
        sent[chosen] = len(x) / 3 * x[chosen]
        return sent

    with pytest.raises(AssertionError):
        check_unbiased(wrong, np.ones(4))


def test_planted_version_without_scale_is_biased() -> None:
    with pytest.raises(AssertionError):
        check_unbiased(RandomK(2, unbiased=False).compress, np.ones(4))


def test_planted_scaled_version_is_no_contraction() -> None:
    """The trap: unbiased random-k with a memory, which then grows."""
    compressor = RandomK(1, unbiased=True)
    with pytest.raises(AssertionError):
        check_contraction(compressor.compress, 1.0, np.ones(10), draws=100)
