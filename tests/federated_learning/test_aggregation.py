from collections.abc import Callable, Sequence
from itertools import combinations, product

import numpy as np
import pytest

from mlsys_lib.federated_learning.aggregation import (
    Aggregation,
    MeanByExamples,
    PlainMean,
    Update,
    weighted_mean,
)

SIZES = np.array([7, 2, 1])
SHARES = SIZES / SIZES.sum()
LOCAL = np.array([[1.0, 2.0], [5.0, -2.0], [-3.0, 4.0]])
TARGET = SHARES @ LOCAL


def updates(clients: Sequence[int], sizes: np.ndarray = SIZES) -> list[Update]:
    return [Update(i, LOCAL[i], int(sizes[i]), 1, 0.0) for i in clients]


def expectation_uniform(rule: Aggregation, num_sampled: int, sizes: np.ndarray) -> np.ndarray:
    """The mean over all samples without replacement, each alike."""
    shares = sizes / sizes.sum()
    samples = list(combinations(range(3), num_sampled))
    return np.mean([rule(np.zeros(2), updates(s, sizes), shares) for s in samples], axis=0)


def expectation_proportional(rule: Aggregation, num_sampled: int) -> np.ndarray:
    """The mean over all sequences of draws by p_i, each by its probability."""
    return sum(
        np.prod(SHARES[list(draws)]) * rule(np.zeros(2), updates(draws), SHARES)
        for draws in product(range(3), repeat=num_sampled)
    )


@pytest.mark.parametrize("num_sampled", [1, 2, 3, 4])
def test_draws_by_weight_with_a_plain_mean_are_unbiased(num_sampled: int) -> None:
    np.testing.assert_allclose(expectation_proportional(PlainMean(), num_sampled), TARGET)


def test_each_average_belongs_to_its_sampling() -> None:
    """Draws by weight and a mean by examples count examples twice; uniform and plain never."""
    crossed = expectation_proportional(MeanByExamples(), 2)
    assert np.abs(crossed - TARGET).max() > 0.05
    plain = expectation_uniform(PlainMean(), 2, SIZES)
    np.testing.assert_allclose(plain, LOCAL.mean(axis=0))
    assert np.abs(plain - TARGET).max() > 0.1


def test_uniform_draws_with_a_mean_by_examples_are_biased_if_sizes_differ() -> None:
    assert np.abs(expectation_uniform(MeanByExamples(), 2, SIZES) - TARGET).max() > 0.05
    np.testing.assert_allclose(expectation_uniform(MeanByExamples(), 3, SIZES), TARGET)
    equal = np.full(3, 5)
    np.testing.assert_allclose(
        expectation_uniform(MeanByExamples(), 2, equal), LOCAL.mean(axis=0), atol=1e-15
    )


def divided_by_all_examples(weights, updates, client_weights):
    """The early version: the weights of those who are not in the sample are missing."""
    return sum(client_weights[u.client] * u.weights for u in updates)


def by_squares(weights, updates, client_weights):
    """Sums of losses and weights n_i besides."""
    return weighted_mean([u.weights for u in updates], [u.num_examples**2 for u in updates])


def by_everyones_weights(weights, updates, client_weights):
    """The first weights of all clients for the sampled ones, whoever they are."""
    return weighted_mean(
        [u.weights for u in updates], [client_weights[j] for j in range(len(updates))]
    )


def assert_mean_of_the_sample(rule: Callable) -> None:
    """Two laws: what all agree on stays, and clients count by their examples."""
    same = [Update(i, np.full(2, 3.0), int(SIZES[i]), 1, 0.0) for i in (1, 2)]
    np.testing.assert_allclose(rule(np.zeros(2), same, SHARES), 3.0)
    for sample in ((0, 1), (1, 2), (2,), (0, 1, 2)):
        expected = np.average(LOCAL[list(sample)], axis=0, weights=SIZES[list(sample)])
        np.testing.assert_allclose(rule(np.zeros(2), updates(sample), SHARES), expected, atol=1e-14)


def test_the_mean_by_examples_is_over_the_sample() -> None:
    assert_mean_of_the_sample(MeanByExamples())


@pytest.mark.parametrize("wrong", [divided_by_all_examples, by_squares, by_everyones_weights])
def test_planted_averages_are_told_from_it(wrong: Callable) -> None:
    with pytest.raises(AssertionError):
        assert_mean_of_the_sample(wrong)


def test_squares_give_the_large_client_nearly_everything() -> None:
    two = [Update(0, np.zeros(1), 900, 1, 0.0), Update(1, np.ones(1), 100, 1, 0.0)]
    shares = np.array([0.9, 0.1])
    assert MeanByExamples()(np.zeros(1), two, shares) == pytest.approx(0.1)
    assert by_squares(np.zeros(1), two, shares) == pytest.approx(0.0122, abs=5e-5)


def test_a_client_drawn_twice_counts_twice_in_the_plain_mean() -> None:
    got = PlainMean()(np.zeros(2), updates((0, 0, 2)), SHARES)
    np.testing.assert_allclose(got, (2 * LOCAL[0] + LOCAL[2]) / 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [0, 1, 16_383, 16_384, 16_385, 50_000])
def test_blocks_change_no_bit_of_the_sum(dtype: type, k: int) -> None:
    """Against the loop over whole vectors."""
    rng = np.random.default_rng(k)
    vectors = [rng.normal(size=k).astype(dtype) for _ in range(5)]
    before, counts = [v.copy() for v in vectors], [3, 1, 0, 7, 2]
    expected = vectors[0] * counts[0]
    for vector, count in zip(vectors[1:], counts[1:], strict=True):
        expected = expected + vector * count
    got = weighted_mean(vectors, counts)
    assert got.dtype == dtype
    assert np.array_equal(got, expected / sum(counts))
    assert all(np.array_equal(a, b) for a, b in zip(before, vectors, strict=True))


def test_a_lone_vector_is_its_own_mean_and_a_new_array() -> None:
    vector = np.arange(6.0).reshape(2, 3)
    got = weighted_mean([vector], [1])
    assert np.array_equal(got, vector)
    assert not np.shares_memory(got, vector)


@pytest.mark.parametrize(
    ("vectors", "counts", "message"),
    [
        ([], [], "counts must hold one for each of at least one vector, got 0 for 0"),
        ([np.ones(1)], [1, 2], "counts must hold one for each of at least one vector, got 2 for 1"),
        ([np.ones(1)], [0], r"counts must be finite and >= 0, one of them > 0, got \[0\]"),
        ([np.ones(1)] * 2, [2, -1], "counts must be finite and >= 0, one of them > 0"),
        ([np.ones(1)] * 2, [2, np.nan], "counts must be finite and >= 0, one of them > 0"),
        ([np.ones(1), np.ones(2)], [1, 1], r"vectors must have one shape, got \(1,\), \(2,\)"),
    ],
)
def test_what_has_no_mean_is_refused(vectors, counts, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weighted_mean(vectors, counts)
