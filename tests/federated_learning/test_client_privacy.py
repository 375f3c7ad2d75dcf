import math

import numpy as np
import pytest

from mlsys_lib.federated_learning.aggregation import Update
from mlsys_lib.federated_learning.client_privacy import PoissonSampling, PrivateMean, clip
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares
from mlsys_lib.federated_learning.rounds import History, federate


def updates_of(vectors: np.ndarray) -> list[Update]:
    return [Update(i, vector, 10 + i, 1, 0.0) for i, vector in enumerate(vectors)]


def quiet(
    clip_norm: float, fraction: float = 1.0, noise: float = 0.0, seed: int = 0
) -> PrivateMean:
    return PrivateMean(clip_norm, noise, fraction, np.random.default_rng(seed))


@pytest.mark.parametrize("clip_norm", [0.1, 1.0, 7.0])
def test_clipping_is_the_projection_onto_the_ball(clip_norm: float) -> None:
    """Oracle: of many points of the ball, none is nearer to the change than the clipped one."""
    rng = np.random.default_rng(0)
    for change in rng.normal(size=(20, 3)) * 3:
        clipped = clip(change, clip_norm)
        assert np.linalg.norm(clipped) <= clip_norm * (1 + 1e-12)
        ball = rng.normal(size=(500, 3))
        ball *= clip_norm * rng.random((500, 1)) / np.linalg.norm(ball, axis=1, keepdims=True)
        nearest = np.linalg.norm(ball - change, axis=1).min()
        assert np.linalg.norm(clipped - change) <= nearest + 1e-12


def test_a_short_change_stays_bit_for_bit_and_direction_is_kept() -> None:
    change = np.random.default_rng(0).normal(size=5)
    assert np.array_equal(clip(change, 100.0), change)
    np.testing.assert_allclose(clip(change, 0.5) / 0.5, change / np.linalg.norm(change))


def test_zero_empty_tiny_and_huge_changes() -> None:
    assert np.array_equal(clip(np.zeros(3), 1.0), np.zeros(3))
    assert clip(np.zeros(0), 1.0).shape == (0,)
    np.testing.assert_allclose(clip(np.full(4, 1e200), 1.0), 0.5)  # its square is inf
    assert np.array_equal(clip(np.full(4, 1e-200), 1.0), np.full(4, 1e-200))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_change_whose_difference_is_past_the_floats_is_clipped(sign: float) -> None:
    """A client that answers 1.7e308 to weights of -1e308 moves the sum by S, as any other."""
    weights = np.array([-1e308 * sign])
    update = Update(0, np.array([1.7e308 * sign]), 1, 1, 0.0)
    found = quiet(1e305)(weights, [update], np.ones(1))
    assert found == pytest.approx(weights + sign * 1e305, rel=1e-14)


def test_without_noise_and_clipping_it_is_the_plain_mean_of_all() -> None:
    vectors = np.random.default_rng(1).normal(size=(6, 4))
    found = quiet(1e9)(np.ones(4), updates_of(vectors), np.full(6, 1 / 6))
    np.testing.assert_allclose(found, vectors.mean(axis=0), rtol=1e-12)


def test_divided_is_by_the_expected_number_of_clients() -> None:
    """Three of ten came where five are expected."""
    vectors = np.full((3, 1), 0.5)
    found = quiet(1.0, 0.5)(np.zeros(1), updates_of(vectors), np.full(10, 0.1))
    assert found == pytest.approx(3 * 0.5 / 5)


def per_coordinate(change: np.ndarray, clip_norm: float) -> np.ndarray:
    return np.clip(change, -clip_norm, clip_norm)


@pytest.mark.parametrize("k", [1, 4, 100])
def test_one_client_changes_the_sum_by_the_norm_at_most(k: int) -> None:
    """The sensitivity that the accountant is told; clipping by coordinates has √k times as much."""
    rng, weights, shares = np.random.default_rng(2), np.zeros(k), np.full(5, 0.2)
    vectors = rng.normal(size=(5, k)) * 100
    whole = quiet(2.0)(weights, updates_of(vectors), shares) * 5
    without = quiet(2.0)(weights, updates_of(vectors[:-1]), shares) * 5
    assert np.linalg.norm(whole - without) <= 2.0 * (1 + 1e-9)
    planted = np.linalg.norm(per_coordinate(vectors[-1], 2.0))
    assert bool(planted > 2.0 * (1 + 1e-9)) is (k > 1)


def noise_std(num_updates: int, fraction: float, m: int) -> float:
    """Standard deviation of the noise on the *sum*, from 40 000 numbers."""
    weights = np.zeros(40_000)
    average = quiet(0.25, fraction, noise=3.0, seed=5)
    found = average(weights, updates_of(np.zeros((num_updates, 40_000))), np.full(m, 1 / m))
    return float(found.std() * fraction * m)


@pytest.mark.parametrize("num_updates", [1, 16])
def test_noise_is_z_s_on_the_sum_however_many_came(num_updates: int) -> None:
    """Noise added by each client at z S would be √n times as much, noise of z alone 4 times."""
    std = noise_std(num_updates, 0.5, 32)
    assert std == pytest.approx(3.0 * 0.25, rel=0.02)  # four standard errors are 1.5 %
    for planted in (3.0 * 0.25 * 4, 3.0, 3.0 * 0.25 / 16):
        assert planted != pytest.approx(std, rel=0.02)


def test_noise_is_gaussian_new_in_each_round_and_repeats_with_the_seed() -> None:
    weights, none = np.zeros(20_000), [Update(0, np.zeros(20_000), 1, 1, 0.0)]
    average, again = quiet(1.0, 1.0, 1.0), quiet(1.0, 1.0, 1.0)
    first, second = (average(weights, none, np.ones(1)) for _ in range(2))
    assert np.array_equal(first, again(weights, none, np.ones(1)))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    shares = [np.mean(np.abs(first) < reach) for reach in (1, 2, 3)]
    assert shares == pytest.approx([0.6827, 0.9545, 0.9973], abs=0.012)


def test_the_received_weights_are_not_changed() -> None:
    weights = np.ones(3)
    quiet(1.0, 1.0, 1.0)(weights, updates_of(np.zeros((2, 3))), np.full(2, 0.5))
    assert np.array_equal(weights, np.ones(3))


@pytest.mark.parametrize("fraction", [0.1, 0.5, 1.0])
def test_each_client_has_its_own_coin(fraction: float) -> None:
    """Counts are binomial: mean C m, variance C (1 - C) m. A draw of a fixed size has none."""
    rng, sampling = np.random.default_rng(3), PoissonSampling(fraction)
    rounds = [sampling(t, np.full(20, 0.05), rng) for t in range(4000)]
    counts = [len(chosen) for chosen in rounds]
    assert np.mean(counts) == pytest.approx(20 * fraction, rel=0.03)
    assert np.var(counts) == pytest.approx(20 * fraction * (1 - fraction), rel=0.1)
    assert all(chosen == sorted(set(chosen)) for chosen in rounds)
    seen = np.bincount(np.concatenate(rounds).astype(int), minlength=20) / 4000
    assert np.abs(seen - fraction).max() < 4 * math.sqrt(fraction * (1 - fraction) / 4000) + 1e-12


def test_a_round_of_nobody_is_as_noisy_as_any() -> None:
    """Weights that stand still would tell that nobody was in the round."""
    clients = [Client(np.ones((1, 1)), np.ones(1))] * 3
    history = federate(
        LeastSquares(1),
        clients,
        np.zeros(1),
        num_rounds=20,
        sampling=PoissonSampling(0.1),
        local_solver=LocalSgd(1, None, 0.5),
        aggregation=quiet(1.0, 0.1, 1.0),
    )
    moves = np.abs(np.diff(history.weights[:, 0]))
    assert moves[[not sampled for sampled in history.sampled]].size > 5
    assert moves.min() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0, 0.5), "clip_norm must be finite and > 0, got 0.0"),
        ((np.inf, 1.0, 0.5), "clip_norm must be finite and > 0, got inf"),
        ((1.0, -1.0, 0.5), "noise_multiplier must be finite and >= 0, got -1.0"),
        ((1.0, np.nan, 0.5), "noise_multiplier must be finite and >= 0, got nan"),
        ((1.0, 1.0, 0.0), r"client_fraction must be in \(0, 1\], got 0.0"),
        ((1.0, 1.0, 1.5), r"client_fraction must be in \(0, 1\], got 1.5"),
    ],
)
def test_bad_settings_are_refused(arguments: tuple[float, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PrivateMean(*arguments, np.random.default_rng(0))
    if "fraction" in message:
        with pytest.raises(ValueError, match=message):
            PoissonSampling(arguments[2])


def test_a_client_that_is_in_the_round_twice_is_refused() -> None:
    twice = [Update(4, np.zeros(2), 1, 1, 0.0)] * 2
    with pytest.raises(ValueError, match=r"updates must be of different clients, got \[4, 4\]"):
        quiet(1.0)(np.zeros(2), twice, np.full(5, 0.2))


def private_rounds(noise: float, seed: int = 0) -> History:
    """Forty clients whose minima lie around 1; twenty rounds with half of them."""
    rng = np.random.default_rng(1)
    clients = [Client(np.ones((3, 1)), rng.normal(1.0, 0.1, 3)) for _ in range(40)]
    return federate(
        LeastSquares(1),
        clients,
        np.zeros(1),
        num_rounds=20,
        sampling=PoissonSampling(0.5),
        local_solver=LocalSgd(1, None, 0.5),
        aggregation=quiet(0.2, 0.5, noise, seed),
    )


def test_rounds_with_it_learn_and_noise_costs_accuracy() -> None:
    """A change has length 0.2 at most, so w moves by about 0.2 a round until it is near 1."""
    calm = private_rounds(0.0)
    assert 0.05 < calm.weights[1, 0] < 0.35 and abs(calm.final[0] - 1) < 0.15
    assert len({len(sampled) for sampled in calm.sampled}) > 3
    spread = [
        np.std([private_rounds(noise, seed).final[0] for seed in range(12)]) for noise in (1, 20)
    ]
    assert spread[0] < 0.1 < spread[1]
