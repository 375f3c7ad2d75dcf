import numpy as np
import pytest

from mlsys_lib.federated_learning.sampling import (
    Everyone,
    ProportionalWithReplacement,
    UniformWithoutReplacement,
)

SHARES = np.array([0.5, 0.3, 0.2])


def frequencies(sampling, num_rounds: int = 4000) -> np.ndarray:
    rng, counts = np.random.default_rng(0), np.zeros(3)
    for t in range(num_rounds):
        counts += np.bincount(sampling(t, SHARES, rng), minlength=3)
    return counts / num_rounds


def test_uniform_sampling_looks_at_nobodys_examples() -> None:
    np.testing.assert_allclose(frequencies(UniformWithoutReplacement(2 / 3)), 2 / 3, atol=0.03)


def test_proportional_sampling_draws_by_examples() -> None:
    got = frequencies(ProportionalWithReplacement(2))
    np.testing.assert_allclose(got, 2 * SHARES, atol=0.04)
    assert np.abs(got - 2 / 3).max() > 0.2  # uniform draws would fail


def test_only_with_replacement_may_a_client_come_twice() -> None:
    rng = np.random.default_rng(0)
    for t in range(50):
        drawn = UniformWithoutReplacement(0.7)(t, SHARES, rng)
        assert len(set(drawn)) == len(drawn) == 2
    drawn = ProportionalWithReplacement(7)(0, SHARES, rng)
    assert len(drawn) == 7
    assert drawn == sorted(drawn)
    assert ProportionalWithReplacement(3)(0, np.array([0, 1.0, 0]), rng) == [1, 1, 1]


def test_everyone_is_everyone_and_a_full_fraction_too() -> None:
    rng = np.random.default_rng(0)
    everyone = Everyone()(0, SHARES, rng)
    assert everyone == UniformWithoutReplacement(1.0)(0, SHARES, rng) == [0, 1, 2]


@pytest.mark.parametrize(
    ("fraction", "m", "expected"),
    [(0.1, 100, 10), (0.1, 5, 1), (1e-9, 5, 1), (0.29, 100, 29), (1.0, 1, 1), (0.5, 7, 4)],
)
def test_a_fraction_samples_at_least_one(fraction: float, m: int, expected: int) -> None:
    sampling = UniformWithoutReplacement(fraction)
    assert sampling.num_sampled(m) == expected
    assert len(sampling(0, np.full(m, 1 / m), np.random.default_rng(0))) == expected


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, np.nan])
def test_a_fraction_that_samples_nobody_or_more_than_all_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"fraction must be in \(0, 1\], got"):
        UniformWithoutReplacement(fraction)


def test_no_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="num_sampled must be an integer >= 1, got 0"):
        ProportionalWithReplacement(0)
