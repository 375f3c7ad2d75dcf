"""PowerSGD is the paper's iteration, sends thin factors, and nears the best low rank."""

import numpy as np
import pytest

from mlsys_lib.comm import PerRank, RankError, simulate
from mlsys_lib.gradient_compression.powersgd import PowerSGD
from tests.conftest import Machine
from tests.gradient_compression import bodies
from tests.gradient_compression.compressor_checks import square

SHAPES = [(8, 12), (5,), (9, 2, 5)]
K = 96 + 5 + 90
SENT = 2 * (8 + 9) + 5, 2 * (12 + 10)
"""Numbers in the two all-reduces of rank 2."""


def gradients(world_size: int, steps: int = 3, seed: int = 0) -> PerRank:
    rng = np.random.default_rng([seed, world_size])
    return PerRank([[rng.normal(size=K) for _ in range(steps)] for _ in range(world_size)])


def gram_schmidt(matrix: np.ndarray) -> np.ndarray:
    columns: list[np.ndarray] = []
    for column in matrix.T:
        for done in columns:
            column = column - (done @ column) * done
        columns.append(column / np.linalg.norm(column))
    return np.array(columns).T


def mean_of_layer(mean_matrix: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The paper's algorithm 1 on the mean gradient, which sees all ranks' data at once."""
    p = gram_schmidt(mean_matrix @ q)
    new = mean_matrix.T @ p
    return p @ new.T, new


def check_steps(machine: Machine, steps_of: object) -> None:
    m, xs = machine.world_size, gradients(machine.world_size)
    run = machine.run(steps_of, xs, SHAPES, 2)
    factors = dict(PowerSGD(SHAPES, 2).factors)
    for step in range(3):
        mean = np.mean([own[step] for own in xs.values], axis=0)
        first, factors[0] = mean_of_layer(mean[:96].reshape(8, 12), factors[0])
        last, factors[2] = mean_of_layer(mean[101:].reshape(9, 10), factors[2])
        expected = np.concatenate([first.ravel(), mean[96:101], last.ravel()])
        for outcomes, _ in run.results:
            np.testing.assert_allclose(outcomes[step].mean, expected, atol=3e-5)
            assert outcomes[step].mean.tobytes() == run.results[0][0][step].mean.tobytes()
        sent = np.mean([outcomes[step].sent for outcomes, _ in run.results], axis=0)
        np.testing.assert_allclose(sent, expected, atol=3e-5)
    if m > 1:
        total = sum(outcome.sent_bytes for outcome in run.results[-1][0])
        assert run.ledger.sent_bytes[-1] == total


def test_steps_are_those_of_the_paper_on_the_mean_gradient(machine: Machine) -> None:
    check_steps(machine, bodies.power_steps)


def test_the_seed_is_of_the_first_factors() -> None:
    first, same, other = (PowerSGD([(4, 5)], 1, seed=seed).factors[0] for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_two_all_reduces_of_thin_factors() -> None:
    run = simulate(bodies.power_steps, 2, gradients(2, steps=1), SHAPES, 2)
    outcome = run.results[0][0][0]
    assert outcome.message_bytes == 4 * sum(SENT)
    assert sum(run.ledger.sent_bytes) == 2 * 4 * sum(SENT)  # 2 (m - 1) / m of them on each rank
    assert run.ledger.rounds == 4


def test_a_matrix_of_low_rank_is_exact_after_one_step() -> None:
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(20, 3)) @ rng.normal(size=(3, 30))).ravel()
    (outcome,), _ = simulate(bodies.power_steps, 1, [x], [(20, 30)], 3).results[0]
    np.testing.assert_allclose(outcome.mean, x, atol=1e-5)


def test_on_a_fixed_matrix_it_nears_the_best_approximation() -> None:
    """Eckart & Young: no rank-2 matrix is nearer than the truncated SVD; 60 steps come close."""
    x = np.random.default_rng(2).normal(size=300)
    sigmas = np.linalg.svd(x.reshape(15, 20))[1]
    outcomes, _ = simulate(bodies.power_steps, 1, [x] * 60, [(15, 20)], 2).results[0]
    errors = [square(outcome.mean - x) for outcome in outcomes]
    best = square(sigmas[2:])
    assert errors[0] > 1.05 * best
    assert best * (1 - 1e-6) <= errors[-1] <= 1.005 * best
    assert all(error <= square(x) for error in errors)


def test_warm_start_beats_a_fresh_q_in_every_step() -> None:
    x = np.random.default_rng(2).normal(size=300)
    warm, _ = simulate(bodies.power_steps, 1, [x] * 30, [(15, 20)], 2).results[0]
    cold, _ = simulate(bodies.power_steps, 1, [x], [(15, 20)], 2).results[0]
    assert square(warm[-1].mean - x) < square(cold[0].mean - x)


def test_what_was_sent_and_the_memories_are_all_gradients() -> None:
    """In the mean over ranks, after 10 steps."""
    xs = gradients(3, steps=10)
    run = simulate(bodies.power_with_memory, 3, xs, SHAPES, 1)
    wanted = np.mean([np.sum(own, axis=0) for own in xs.values], axis=0)
    memories = np.mean([memory for _, memory in run.results], axis=0)
    np.testing.assert_allclose(run.results[0][0] + memories, wanted, atol=1e-4)
    assert square(memories) > 0.1 * square(wanted)  # it does compress


def test_a_rank_takes_off_its_own_part_and_not_the_mean() -> None:
    """What it keeps is at right angles to P, which spans the columns of the mean."""
    xs = gradients(3, steps=1)
    for own, (outcomes, _) in zip(
        xs.values, simulate(bodies.power_steps, 3, xs, SHAPES, 2).results, strict=True
    ):
        basis = np.linalg.svd(outcomes[0].mean[:96].reshape(8, 12))[0][:, :2]
        kept = (own[0] - outcomes[0].sent)[:96].reshape(8, 12)
        assert np.abs(basis.T @ kept).max() < 1e-4
        assert square(kept) < square(own[0][:96])


def test_zeros_stay_zeros_and_the_next_gradient_is_seen() -> None:
    x = np.random.default_rng(3).normal(size=K)
    outcomes, factors = simulate(
        bodies.power_steps, 1, [np.zeros(K), np.zeros(K), x], SHAPES, 2
    ).results[0]
    assert not outcomes[0].mean.any() and not outcomes[1].mean.any()
    assert square(outcomes[2].mean - x) < 0.95 * square(x)
    fresh, _ = simulate(bodies.power_steps, 1, [x], SHAPES, 2).results[0]
    np.testing.assert_array_equal(outcomes[2].mean, fresh[0].mean)
    assert all(factor.any(axis=0).all() for factor in factors.values())


def test_layers_that_factors_do_not_shrink_travel_whole() -> None:
    assert set(PowerSGD([(3, 3), (1,), (4, 100)], 2).factors) == {2}
    x = np.random.default_rng(4).normal(size=10)
    (outcome,), _ = simulate(bodies.power_steps, 1, [x], [(3, 3), (1,)], 2).results[0]
    np.testing.assert_array_equal(outcome.mean, x.astype(np.float32))
    assert outcome.message_bytes == 40


def test_bad_input_is_refused() -> None:
    for shapes, rank_r, words in [
        ([], 1, "shapes must be one or more"),
        ([(3, 4)], 0, "rank_r must be an integer >= 1, got 0"),
        ([(3, -4)], 1, r"shapes\[0\] must be an integer >= 1, got -4"),
    ]:
        with pytest.raises(ValueError, match=words):
            PowerSGD(shapes, rank_r)
    with pytest.raises(ValueError, match="seed must be an integer >= 0, got -1"):
        PowerSGD([(3, 4)], 1, seed=-1)
    with pytest.raises(RankError, match="x must have the 12 entries of shapes, got 11"):
        simulate(bodies.power_steps, 1, [np.ones(11)], [(3, 4)], 1)
    bad = np.full(12, np.nan)
    with pytest.raises(RankError, match="x must be finite, got nan at entry 0"):
        simulate(bodies.power_steps, 2, [bad], [(3, 4)], 1)


def planted_steps(comm, xs, shapes, rank_r, kind):
    """PowerSGD by hand, with one mistake."""
    from mlsys_lib.collectives import ring_all_reduce
    from mlsys_lib.gradient_compression.aggregate import Aggregated
    from mlsys_lib.gradient_compression.spectral import matrix_shapes, split_layers

    def mean(a):
        return ring_all_reduce(comm, np.ascontiguousarray(a)) / comm.world_size

    factors, outcomes = dict(PowerSGD(shapes, rank_r).factors), []
    for x in xs:
        layers = split_layers(x, matrix_shapes(shapes))
        result = [mean(layer) for layer in layers]
        for i, q in factors.items():
            p = layers[i] @ q if kind == "own P" else mean(layers[i] @ q)
            p = p if kind == "not orthonormal" else np.linalg.qr(p)[0]
            new = mean(layers[i].T @ p)
            result[i] = p @ new.T
            if kind != "cold":
                factors[i] = new
        flat = np.concatenate([r.ravel() for r in result])
        outcomes.append(Aggregated(flat, flat, 0, 0))
    return outcomes, factors


@pytest.mark.parametrize("kind", ["own P", "not orthonormal", "cold"])
def test_planted_version_is_rejected(kind: str) -> None:
    def steps(comm, xs, shapes, rank_r):
        return planted_steps(comm, xs, shapes, rank_r, kind)

    with pytest.raises(AssertionError):
        check_steps(Machine(3, None), steps)
