"""ATOMO's probabilities are those of least variance, and what it sends is unbiased."""

import math

import numpy as np
import pytest

from mlsys_lib.gradient_compression.atomo import (
    Atomo,
    atomo_probabilities,
    atomo_scale,
    atomo_variance,
    draw_atoms,
    sampling_variance,
)
from mlsys_lib.gradient_compression.counterexamples import released_probabilities, resampling_bias
from mlsys_lib.gradient_compression.wire import (
    Kind,
    MessageError,
    pack_bits,
    pack_float32,
    seal,
)
from tests.gradient_compression.chance import all_outcomes
from tests.gradient_compression.compressor_checks import (
    check_edges,
    check_hostile_bytes,
    check_refusals,
    check_unbiased,
    square,
    vectors,
)

RNG = np.random.default_rng(0)
LAMBDA = np.array([10, 3, 2, 1, 1, 0.5])
TABLE = [
    (1, [0.571429, 0.171429, 0.114286, 0.057143, 0.057143, 0.028571], 306.25),
    (2, [1, 0.4, 0.266667, 0.133333, 0.133333, 0.066667], 156.25),
]


def cases() -> list[tuple[np.ndarray, float]]:
    """Random magnitudes, many of them far apart or equal, and budgets that are not whole."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        k = int(rng.integers(1, 12))
        magnitudes = np.exp(rng.normal(scale=rng.choice([0.1, 1, 3]), size=k))
        magnitudes[rng.random(k) < 0.2] = 1.0
        found.append((magnitudes, float(rng.choice([rng.integers(1, k + 1), k * rng.random()]))))
    return found


def check_kkt(magnitudes: np.ndarray, budget: float, p: np.ndarray) -> None:
    """The conditions of the optimum: the budget is spent, λ/p is the same √ν wherever p < 1, and
    no atom with p = 1 is smaller than √ν. The problem is convex, so they are enough.
    """
    assert np.all((p > 0) & (p <= 1))
    assert p.sum() == pytest.approx(budget, rel=1e-12)
    inside = p < 1 - 1e-12
    if inside.any():
        scales = magnitudes[inside] / p[inside]
        np.testing.assert_allclose(scales, scales[0], rtol=1e-9)
        assert np.all(magnitudes[~inside] >= scales[0] * (1 - 1e-9))


def algorithm_1(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    """The paper's algorithm as it is written, atom by atom."""
    order = np.argsort(-magnitudes)
    sorted_magnitudes, p, left = magnitudes[order], np.zeros(len(magnitudes)), budget
    for i in range(len(magnitudes)):
        tail = sorted_magnitudes[i:].sum()
        if sorted_magnitudes[i] * left <= tail:
            p[order[i:]] = sorted_magnitudes[i:] * left / tail
            return p
        p[order[i]], left = 1.0, left - 1
    return p


@pytest.mark.parametrize(("budget", "expected", "second_moment"), TABLE)
def test_reference_table(budget: float, expected: list[float], second_moment: float) -> None:
    p = atomo_probabilities(LAMBDA, budget)
    np.testing.assert_allclose(p, expected, atol=1e-6)
    assert atomo_variance(LAMBDA, budget) + square(LAMBDA) == pytest.approx(second_moment)


def test_conditions_of_the_optimum_hold() -> None:
    for magnitudes, budget in cases():
        check_kkt(magnitudes, budget, atomo_probabilities(magnitudes, budget))


def test_probabilities_are_those_of_the_papers_algorithm() -> None:
    for magnitudes, budget in cases():
        p = atomo_probabilities(magnitudes, budget)
        np.testing.assert_allclose(p, algorithm_1(magnitudes, budget), rtol=1e-10)


def test_no_other_probabilities_of_the_same_budget_have_less_variance() -> None:
    rng = np.random.default_rng(1)
    for magnitudes, budget in cases()[:60]:
        least = atomo_variance(magnitudes, budget)
        for _ in range(20):
            other = rng.random(len(magnitudes))
            other = np.minimum(1.0, other * budget / other.sum())
            assert sampling_variance(magnitudes, other) >= least * (1 - 1e-9)


def test_balanced_magnitudes_cost_their_sum_squared_over_the_budget() -> None:
    """And no less, whatever they are: the squared sum over the budget bounds E‖ĝ‖² from below."""
    for magnitudes, budget in cases():
        second_moment = atomo_variance(magnitudes, budget) + square(magnitudes)
        floor = magnitudes.sum() ** 2 / budget
        assert second_moment >= floor * (1 - 1e-9)
        if magnitudes.max() * budget <= magnitudes.sum():
            assert second_moment == pytest.approx(floor)


def test_signs_order_and_scale_do_not_count() -> None:
    rng = np.random.default_rng(2)
    for magnitudes, budget in cases()[:50]:
        order, p = rng.permutation(len(magnitudes)), atomo_probabilities(magnitudes, budget)
        np.testing.assert_allclose(atomo_probabilities(-magnitudes[order], budget), p[order])
        for factor in (1e-300, 1e300):
            np.testing.assert_allclose(atomo_probabilities(factor * magnitudes, budget), p)


def test_zeros_are_never_sent_and_leave_budget_over() -> None:
    assert atomo_probabilities(np.array([3.0, 0, 0, 1]), 3).tolist() == [1, 0, 0, 1]
    assert atomo_probabilities(np.zeros(3), 2).tolist() == [0, 0, 0]
    assert atomo_variance(np.zeros(3), 2) == 0
    assert atomo_probabilities(np.array([5.0]), 0.25).tolist() == [0.25]
    assert atomo_probabilities(LAMBDA, 6).tolist() == [1] * 6
    assert atomo_scale(np.array([3.0, 0.0]), 2) == 0


def test_variance_counts_atoms_that_are_never_sent() -> None:
    assert sampling_variance(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == math.inf
    assert sampling_variance(np.array([1.0, 0.0]), np.array([0.5, 0.0])) == 1.0


def test_the_mean_over_all_outcomes_is_exactly_the_gradient() -> None:
    x = np.array([4.0, -1.0, 1.0, 2.0, 0.0])  # √ν = 4 for a budget of 2
    all_of_them = all_outcomes(Atomo(2), x, 4)
    np.testing.assert_array_equal(all_of_them.mean(axis=0), x)
    assert set(all_of_them[:, 1]) == {0.0, -4.0}
    variance = np.mean([square(row - x) for row in all_of_them])
    assert variance == atomo_variance(x, 2) == 10


@pytest.mark.parametrize("k", [1, 2, 9])
def test_unbiased_and_within_its_bound(k: int) -> None:
    for budget in (0.4, (k + 1) / 2):
        compressor = Atomo(budget)
        for x in vectors(k):
            p = np.maximum(atomo_probabilities(x, budget), 1e-99)
            check_unbiased(compressor.compress, x, draws=200, std=np.abs(x) * np.sqrt(1 / p - 1))
            assert atomo_variance(x, budget) <= compressor.error_bound(k) * square(x)


def test_simulated_variance_and_number_of_atoms_are_those_of_the_formulas() -> None:
    x, rng = np.random.default_rng(3).normal(size=50), np.random.default_rng(4)
    sample = np.array([Atomo(8).compress(x, rng) for _ in range(1500)])
    errors = np.sum((sample - x) ** 2, axis=1)
    assert errors.mean() == pytest.approx(atomo_variance(x, 8), abs=5 * errors.std() / 1500**0.5)
    sent = np.count_nonzero(sample, axis=1)
    assert sent.mean() == pytest.approx(8, abs=5 * sent.std() / 1500**0.5)


def test_equal_entries_reach_the_bound() -> None:
    assert atomo_variance(np.ones(10), 4) / 10 == pytest.approx(Atomo(4).error_bound(10), rel=1e-5)


def test_entries_that_are_certain_travel_as_they_are_and_others_as_signs() -> None:
    x = np.zeros(1000)
    x[:3], x[10:110] = (50.0, -40.0, 30.0), 0.01
    draw = draw_atoms(x, 13, np.random.default_rng(0))
    assert draw.certain.tolist() == [0, 1, 2]
    message = Atomo(13).encode(x, np.random.default_rng(0))
    assert len(message) < 19 + 3 * 4 + 3 * 2 + 13 * 2 + 4
    decoded = Atomo(13).decode(message)
    assert decoded[:3].tolist() == [50, -40, 30]
    np.testing.assert_array_equal(np.flatnonzero(decoded[3:]) + 3, draw.chosen)


def test_edges_and_refusals() -> None:
    check_edges(Atomo(0.5), (1, 2, 9))
    check_edges(Atomo(2), (2, 9))
    check_refusals(Atomo(1), 4)
    check_hostile_bytes(Atomo(3), np.array([0.5, -2.0, 0.25, 8.0, 0.0, -0.125, 3.0, 0.5]))


@pytest.mark.parametrize(("budget", "message"), [
    (0, "budget must be finite and > 0, got 0"),
    (-1, "budget must be finite and > 0, got -1"),
    (math.nan, "budget must be finite and > 0, got nan"),
    (4.5, r"budget must be in \(0, 4\], the number of atoms, got 4.5"),
])  # fmt: skip
def test_a_budget_that_cannot_be_spent_is_refused(budget: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        atomo_probabilities(np.ones(4), budget)
    with pytest.raises(ValueError, match=message):
        Atomo(budget).encode(np.ones(4), RNG)


def test_magnitudes_and_probabilities_that_are_none_are_refused() -> None:
    for bad in (np.ones(0), np.ones((2, 2)), np.array([1.0, np.nan])):
        with pytest.raises(ValueError, match="magnitudes must be one or more finite numbers"):
            atomo_probabilities(bad, 1)
    for p in ([0.5], [0.5, 1.5], [-0.1, 0.5], [np.nan, 0.5]):
        with pytest.raises(ValueError, match=r"probabilities must be 2 numbers in \[0, 1\]"):
            sampling_variance(np.ones(2), np.array(p))


def test_an_entry_that_is_both_certain_and_chosen_is_refused() -> None:
    index = np.array([1, 0, 0, 0, 0, 1], np.uint8)  # one index, width 0, gap 0
    body = [pack_float32(1.0), index, pack_float32(2.0), index, pack_bits(np.array([1]), 1)]
    with pytest.raises(MessageError, match="it has an entry twice"):
        Atomo(1).decode(seal(Kind.ATOMO, 3, *body))


def test_the_released_probabilities_do_not_spend_what_they_cut_off() -> None:
    """1.857 atoms instead of 2, and the variance is larger; in the table of section G."""
    released = released_probabilities(LAMBDA, 2)
    assert released.sum() == pytest.approx(1.857, abs=5e-4)
    cost = sampling_variance(LAMBDA, released) + square(LAMBDA)
    assert cost == pytest.approx(165.625)
    with pytest.raises(AssertionError):
        check_kkt(LAMBDA, 2, released)


def test_the_released_sampler_draws_again_when_nothing_comes_and_is_biased() -> None:
    p = released_probabilities(LAMBDA, 1)
    np.testing.assert_allclose(p, atomo_probabilities(LAMBDA, 1))
    nothing = np.prod(1 - p)
    assert nothing == pytest.approx(0.2716, abs=5e-5)
    assert resampling_bias(p) == pytest.approx(1 / (1 - nothing))

    def wrong(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        while not (sent := rng.random(len(x)) < p).any():
            pass
        return np.where(sent, x / p, 0.0)

    with pytest.raises(AssertionError):
        check_unbiased(wrong, LAMBDA)
    mean = np.mean([wrong(LAMBDA, RNG) for _ in range(4000)], axis=0)
    assert mean.sum() / LAMBDA.sum() == pytest.approx(resampling_bias(p), abs=0.03)


def test_resampling_is_refused_where_nothing_can_come_and_harmless_where_something_must() -> None:
    with pytest.raises(ValueError, match="probabilities must not all be 0"):
        resampling_bias(np.zeros(2))
    assert resampling_bias(np.array([1.0, 0.5])) == 1


def uniform(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    """A wrong version: all atoms alike, as random-k."""
    return np.full(len(magnitudes), budget / len(magnitudes))


def by_energy(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    """A wrong version: in proportion to λ², not to |λ|."""
    return np.minimum(1.0, budget * magnitudes**2 / square(magnitudes))


@pytest.mark.parametrize("wrong", [uniform, by_energy])
def test_planted_probabilities_are_not_the_best(wrong: object) -> None:
    with pytest.raises(AssertionError):
        check_kkt(LAMBDA, 1, wrong(LAMBDA, 1))  # type: ignore[operator]


def test_planted_version_with_the_scale_rounded_down_has_no_probability() -> None:
    """|λ| over a √ν that is too small exceeds 1; ours rounds up."""
    x = np.array([1 / 3] * 3 + [1e-9])
    draw = draw_atoms(x, 1.0, RNG)
    assert draw.scale >= atomo_scale(x, 1.0)
    assert np.float32(draw.scale) == draw.scale
