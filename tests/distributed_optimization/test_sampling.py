"""Batches: every example is as likely as another, and variances are what counting says."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from mlsys_lib.distributed_optimization.noisy_sums import NoisySum
from mlsys_lib.distributed_optimization.sampling import (
    SAMPLINGS,
    batches,
    gradient_variance,
    variance_factor,
)
from mlsys_lib.distributed_optimization.worst_cases import quadratic

NOISY = NoisySum(quadratic(3, 2), np.random.default_rng(0).normal(size=(5, 2)))
POINT = np.array([0.3, -2.0])
all_samplings = pytest.mark.parametrize("sampling", SAMPLINGS)


def all_batches(n: int, b: int, sampling: str) -> list[tuple[int, ...]]:
    """Every batch that can be drawn first, each as likely as the others."""
    if sampling == "with_replacement":
        return list(itertools.product(range(n), repeat=b))
    return list(itertools.permutations(range(n), b))


@all_samplings
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_mean_and_variance_of_a_batch_by_counting_all_of_them(sampling: str, size: int) -> None:
    """Unbiased exactly; the variance is σ²/b, and times (n - b)/(n - 1) without replacement."""
    drawn = [NOISY.batch_gradient(POINT, np.array(rows)) for rows in all_batches(5, size, sampling)]
    whole = NOISY.gradient(POINT)
    np.testing.assert_allclose(np.mean(drawn, axis=0), whole, atol=1e-14)
    variance = ((np.array(drawn) - whole) ** 2).sum(axis=1).mean()
    one = gradient_variance(NOISY, POINT)
    assert one == pytest.approx(NOISY.variance, rel=1e-12)
    assert variance == pytest.approx(one * variance_factor(5, size, sampling), abs=1e-14)


@all_samplings
def test_batches_are_drawn_like_the_ones_that_were_counted(sampling: str) -> None:
    """Of 6000 first batches, each possible one has its share within five deviations."""
    rng = np.random.default_rng(1)
    seen = Counter(
        tuple(int(row) for row in next(batches(4, 2, sampling, rng))) for _ in range(6000)
    )
    possible = all_batches(4, 2, sampling)
    assert set(seen) == set(possible)
    share = 6000 / len(possible)
    assert all(abs(seen[rows] - share) < 5 * math.sqrt(share) for rows in possible)


@all_samplings
def test_simulated_variance_is_the_factor(sampling: str) -> None:
    """n = 50, b = 25. Planted: the factor with replacement for draws without, twice too large."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=50)
    values = (values - values.mean()) / values.std()
    stream = batches(50, 25, sampling, rng)
    simulated = np.var([values[next(stream)].mean() for _ in range(4000)])
    assert simulated == pytest.approx(variance_factor(50, 25, sampling), rel=0.12)
    wrong = {"with_replacement": "epochs"}.get(sampling, "with_replacement")
    assert simulated != pytest.approx(variance_factor(50, 25, wrong), rel=0.3)


def test_the_reference_number_of_the_finite_population() -> None:
    assert variance_factor(50, 25, "without_replacement") * 25 == pytest.approx(25 / 49)
    assert round(25 / 49, 4) == 0.5102


def test_the_whole_data_has_no_variance_without_replacement() -> None:
    assert variance_factor(7, 7, "without_replacement") == 0
    assert variance_factor(1, 1, "epochs") == 0
    assert variance_factor(7, 7, "with_replacement") == 1 / 7


@pytest.mark.parametrize(("n", "b"), [(6, 2), (7, 3), (5, 5), (1, 1), (4, 1)])
def test_an_epoch_has_each_example_once_and_the_next_another_order(n: int, b: int) -> None:
    stream = batches(n, b, "epochs", np.random.default_rng(0))
    per_epoch = -(-n // b)
    orders = []
    for _ in range(6):
        epoch = [next(stream) for _ in range(per_epoch)]
        assert [len(rows) for rows in epoch[:-1]] == [b] * (per_epoch - 1)
        orders.append(np.concatenate(epoch).tolist())
        assert sorted(orders[-1]) == list(range(n))
    assert n == 1 or len({tuple(order) for order in orders}) > 1


def test_batches_without_replacement_start_anew_each_time() -> None:
    """Else two batches of 3 out of 5 could not share an example, or would not in an epoch."""
    stream = batches(5, 3, "without_replacement", np.random.default_rng(0))
    drawn = [next(stream) for _ in range(200)]
    assert all(len(set(rows.tolist())) == 3 for rows in drawn)
    pairs = {frozenset(rows.tolist()) for rows in drawn}
    assert len(pairs) == 10


@all_samplings
def test_the_same_seed_draws_the_same_batches(sampling: str) -> None:
    first, second = (batches(9, 4, sampling, np.random.default_rng(3)) for _ in range(2))
    for _ in range(5):
        np.testing.assert_array_equal(next(first), next(second))


@all_samplings
def test_a_batch_larger_than_the_data_is_refused_at_once(sampling: str) -> None:
    rng = np.random.default_rng(0)
    for wrong in (0, 6):
        with pytest.raises(ValueError, match=f"batch_size must be an integer in 1…5, got {wrong}"):
            batches(5, wrong, sampling, rng)
        with pytest.raises(ValueError, match=f"batch_size must be an integer in 1…5, got {wrong}"):
            variance_factor(5, wrong, sampling)


def test_other_bad_input_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="num_examples must be an integer >= 1, got 0"):
        batches(0, 1, "epochs", rng)
    with pytest.raises(ValueError, match=r"sampling must be one of 'with_replacement', .*'epoch'"):
        batches(5, 1, "epoch", rng)
    with pytest.raises(ValueError, match="sampling must be one of 'with_replacement'"):
        variance_factor(5, 1, "none")
