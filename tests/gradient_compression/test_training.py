"""Compressed training: the loop of the paper, equal on simulated ranks and on processes."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import Network, ProcessPool, RankError, simulate
from mlsys_lib.gradient_compression.atomo import Atomo
from mlsys_lib.gradient_compression.compressor import Compressor, Uncompressed
from mlsys_lib.gradient_compression.memory import ErrorFeedback, Memory, NoMemory
from mlsys_lib.gradient_compression.powersgd import PowerSGD
from mlsys_lib.gradient_compression.qsgd import QSGD
from mlsys_lib.gradient_compression.random_k import RandomK
from mlsys_lib.gradient_compression.sign import Sign
from mlsys_lib.gradient_compression.spectral import SpectralAtomo
from mlsys_lib.gradient_compression.threshold import Threshold
from mlsys_lib.gradient_compression.topk import TopK
from mlsys_lib.gradient_compression.training import (
    ClothesGradient,
    fashion_accuracy,
    train_compressed,
    train_on_fashion_mnist,
)
from mlsys_lib.gradient_compression.vote import MajorityVote
from tests.conftest import Machine
from tests.gradient_compression import bodies

START = np.zeros(12)
METHODS: list[tuple[Any, Memory]] = [
    (Uncompressed(), NoMemory()),
    (TopK(3), ErrorFeedback()),
    (RandomK(3, unbiased=False), ErrorFeedback()),
    (RandomK(3, unbiased=True), NoMemory()),
    (Threshold(0.02), ErrorFeedback()),
    (Sign(), ErrorFeedback()),
    (QSGD(4), NoMemory()),
    (Atomo(3), NoMemory()),
    (SpectralAtomo([(3, 4)], 1), NoMemory()),
    (PowerSGD([(3, 4)], 1), ErrorFeedback()),
    (MajorityVote(0.01), NoMemory()),
]


def names(value: object) -> str:
    return getattr(value, "name", type(value).__name__)


def by_hand(
    world_size: int, compressor: Compressor, learning_rate: float, num_steps: int, feedback: bool
) -> np.ndarray:
    """Algorithm 2 of Karimireddy et al. for several workers, all in one place."""
    w, e, history = START, np.zeros((world_size, 12)), [START]
    for step in range(num_steps):
        total = np.zeros(12)
        for rank in range(world_size):
            p = learning_rate * bodies.quadratic_gradient(w, step, rank) + e[rank]
            seed = [0, step] if compressor.aggregation == "all_reduce" else [0, step, rank]
            delta = compressor.compress(p, np.random.default_rng(seed))
            e[rank] = p - delta if feedback else 0.0
            total += delta
        w = w - total / world_size
        history.append(w)
    return np.array(history)


@pytest.mark.parametrize(
    ("compressor", "memory"),
    [pair for pair in METHODS if isinstance(pair[0], Compressor)],
    ids=names,
)
def test_the_loop_is_that_of_the_paper(compressor: Compressor, memory: Memory) -> None:
    for m in (1, 3):
        task = (bodies.quadratic_gradient, START, compressor, memory, 0.1, 30)
        run = simulate(train_compressed, m, *task)
        expected = by_hand(m, compressor, 0.1, 30, isinstance(memory, ErrorFeedback))
        np.testing.assert_allclose(run.results[0].history, expected, atol=1e-6)


def test_weights_are_equal_on_all_ranks_and_bytes_are_the_ledgers(machine: Machine) -> None:
    methods = METHODS if machine.pool is None and machine.world_size < 8 else METHODS[1:3]
    for compressor, memory in methods:
        run = machine.run(
            train_compressed, bodies.quadratic_gradient, START, compressor, memory, 0.1, 2
        )
        histories = {trained.history.tobytes() for trained in run.results}
        assert len(histories) == 1, compressor.name
        sent = tuple(sum(trained.sent_bytes) for trained in run.results)
        assert sent == run.ledger.sent_bytes, compressor.name


@pytest.mark.parametrize(("compressor", "memory"), METHODS, ids=names)
def test_processes_do_what_simulated_ranks_do(
    pool: ProcessPool, compressor: Any, memory: Memory
) -> None:
    """To the bit, and byte for byte."""
    task = (train_compressed, bodies.quadratic_gradient, START, compressor, memory, 0.1, 8)
    simulated = simulate(task[0], 4, *task[1:])
    real = pool.run(*task, world_size=4)
    for ours, theirs in zip(simulated.results, real.results, strict=True):
        np.testing.assert_array_equal(ours.history, theirs.history)
        assert (ours.message_bytes, ours.sent_bytes) == (theirs.message_bytes, theirs.sent_bytes)
    assert simulated.ledger.sent_bytes == real.ledger.sent_bytes


@pytest.mark.parametrize(("compressor", "memory"), METHODS[:-1], ids=names)
def test_it_nears_the_minimum(compressor: Any, memory: Memory) -> None:
    """Within the noise of a constant step size; with exact sums, to float32."""
    task = (bodies.quadratic_gradient, START, compressor, memory, 0.05, 250)
    trained = simulate(train_compressed, 2, *task).results[0]
    minimum = bodies.quadratic_minimum(2)
    tail = trained.history[-100:].mean(axis=0)
    assert np.linalg.norm(tail - minimum) < 0.1 * np.linalg.norm(minimum)
    if isinstance(compressor, Uncompressed):
        np.testing.assert_allclose(trained.weights, minimum, atol=1e-5)


@pytest.mark.parametrize("compressor", [TopK(1), Threshold(0.02), Sign()], ids=names)
def test_without_memory_a_contraction_ends_elsewhere(compressor: Compressor) -> None:
    task = (bodies.quadratic_gradient, START, compressor)
    minimum, distances = bodies.quadratic_minimum(2), []
    for memory in (NoMemory(), ErrorFeedback()):
        trained = simulate(train_compressed, 2, *task, memory, 0.05, 250)
        tail = trained.results[0].history[-100:].mean(axis=0)
        distances.append(float(np.linalg.norm(tail - minimum)))
    assert distances[0] > 3 * distances[1]


def test_the_callers_objects_are_not_changed_and_serve_again() -> None:
    power, memory, start = PowerSGD([(3, 4)], 1), ErrorFeedback(), np.ones(12)
    before = power.factors[0].copy()
    task = (bodies.quadratic_gradient, start, power, memory, 0.1, 5)
    first, again = (simulate(train_compressed, 2, *task).results[0].history for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(power.factors[0], before)
    assert memory.memory is None and start.tolist() == [1.0] * 12


def test_records_seeds_and_the_clock() -> None:
    task = (bodies.quadratic_gradient, START, Atomo(3), NoMemory(), 0.1, 7)
    network = Network(latency_s=0.0, seconds_per_byte=1e-3)
    run = simulate(train_compressed, 2, *task, record_every=3, compute_s=2.0, network=network)
    trained = run.results[0]
    assert trained.steps == (0, 3, 6, 7) and trained.history.shape == (4, 12)
    np.testing.assert_array_equal(trained.weights, trained.history[-1])
    assert trained.time_s[0] == 0 and np.all(np.diff(trained.time_s) > [6, 6, 2])
    assert trained.time_s[-1] == pytest.approx(run.ledger.time_s())
    whole = simulate(train_compressed, 2, *task).results[0]
    np.testing.assert_array_equal(whole.history[[0, 3, 6, 7]], trained.history)
    other = simulate(train_compressed, 2, *task, seed=1).results[0]
    assert not np.array_equal(other.weights, trained.weights)


def test_a_run_that_diverges_stops_with_finite_weights_and_says_so() -> None:
    task = (bodies.uphill, np.ones(3), Uncompressed(), NoMemory(), 1.0, 100)
    trained = simulate(train_compressed, 2, *task).results[0]
    assert trained.diverged_at == 15 == len(trained.history) == len(trained.sent_bytes)
    assert np.isfinite(trained.history).all()


@pytest.mark.parametrize(("changes", "message"), [
    ({"num_steps": 0}, "num_steps must be an integer >= 1, got 0"),
    ({"learning_rate": -1}, "learning_rate must be finite and > 0, got -1"),
    ({"record_every": 0}, "record_every must be an integer >= 1, got 0"),
    ({"seed": -1}, "seed must be an integer >= 0, got -1"),
    ({"compute_s": -1.0}, "compute_s must be finite and >= 0, got -1"),
    ({"start": np.array([1.0, np.inf])}, "start must be finite, got inf at entry 1"),
    ({"start": np.zeros((2, 6))}, r"start must have shape \(k,\), k >= 1, got \(2, 6\)"),
    ({"start": np.zeros(0)}, r"start must have shape \(k,\), k >= 1, got \(0,\)"),
    ({"gradient_of": bodies.breaks_down},
     "gradient of rank 1 in step 3 must be finite, got nan at entry 4"),
    ({"gradient_of": bodies.of_another_shape},
     r"gradient of rank 0 in step 0 must have shape \(12,\), got \(5,\)"),
    ({"compressor": TopK(13)}, "num_kept must be an integer in 1…12, got 13"),
    ({"compressor": Atomo(13)}, r"budget must be in \(0, 12\]"),
])  # fmt: skip
def test_bad_input_is_refused(changes: dict[str, Any], message: str) -> None:
    good = {"gradient_of": bodies.quadratic_gradient, "start": START, "compressor": TopK(2)}
    good |= {"memory": ErrorFeedback(), "learning_rate": 0.1, "num_steps": 5}
    with pytest.raises(RankError, match=message):
        simulate(train_compressed, 2, **(good | changes))


def test_gradients_of_clothes_are_those_of_their_shares() -> None:
    """With whole shares as batches their mean is the gradient of all images."""
    whole = ClothesGradient(1, 3000, "mixed", 0)
    weights = np.random.default_rng(0).normal(scale=0.01, size=7850)
    for split in ("mixed", "by class"):
        shares = ClothesGradient(4, 750, split, 0)
        mean = np.mean([shares(weights, 0, rank) for rank in range(4)], axis=0)
        np.testing.assert_allclose(mean, whole(weights, 0, 0), atol=1e-12)
    assert len(np.unique(shares.y[shares.shares[0]])) == 3
    mixed = ClothesGradient(4, 32, "mixed", 0)
    assert len(np.unique(mixed.y[mixed.shares[0]])) == 10
    assert not np.array_equal(mixed(weights, 0, 0), mixed(weights, 1, 0))
    assert not np.array_equal(
        mixed(weights, 0, 0), ClothesGradient(4, 32, "mixed", 1)(weights, 0, 0)
    )


def test_ranks_draw_batches_apart() -> None:
    gradient_of = ClothesGradient(2, 8, "mixed", 0)
    gradient_of.shares = [gradient_of.shares[0]] * 2
    weights = np.zeros(7850)
    assert not np.array_equal(gradient_of(weights, 0, 0), gradient_of(weights, 0, 1))


def test_batches_and_rounding_have_streams_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is drawn by the numbers that round its gradient is not independent of them."""
    make, firsts = np.random.default_rng, []

    def recorded(seed: Any) -> np.random.Generator:
        firsts.append(make(seed).random())
        return make(seed)

    monkeypatch.setattr(np.random, "default_rng", recorded)
    simulate(train_on_fashion_mnist, 2, QSGD(1), NoMemory(), 0.05, 2)
    assert len(set(firsts)) == len(firsts) == 8  # two ranks, two steps


def test_the_clock_of_clothes_counts_computing() -> None:
    task = (train_on_fashion_mnist, 2, TopK(5), NoMemory(), 0.05, 3)
    times = [simulate(*task, compute_s=s).results[0].time_s[-1] for s in (0.0, 2.0)]
    assert times[1] - times[0] == pytest.approx(6.0)


def test_clothes_with_a_hundredth_of_the_numbers_are_learned_nearly_as_well() -> None:
    """And without memory they are not; shares of few classes."""
    accuracies = []
    for compressor, memory in [
        (Uncompressed(), NoMemory()), (TopK(78), ErrorFeedback()), (TopK(78), NoMemory())
    ]:  # fmt: skip
        run = simulate(train_on_fashion_mnist, 2, compressor, memory, 0.05, 100, split="by class")
        accuracies.append(fashion_accuracy(run.results[0].weights))
    assert accuracies[0] > 0.7
    assert accuracies[1] > accuracies[0] - 0.04
    assert accuracies[2] < accuracies[0] - 0.1


def test_clothes_on_processes_are_those_of_simulated_ranks(pool: ProcessPool) -> None:
    task = (train_on_fashion_mnist, TopK(78), ErrorFeedback(), 0.05, 5)
    simulated, real = simulate(task[0], 4, *task[1:]), pool.run(*task, world_size=4)
    np.testing.assert_array_equal(simulated.results[0].weights, real.results[0].weights)
    assert simulated.ledger.sent_bytes == real.ledger.sent_bytes


@pytest.mark.parametrize(("changes", "message"), [
    ({"split": "by size"}, "split must be one of 'mixed', 'by class', got 'by size'"),
    ({"batch_size": 1501}, "batch_size must be an integer in 1…1500, got 1501"),
])  # fmt: skip
def test_bad_shares_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RankError, match=message):
        simulate(train_on_fashion_mnist, 2, TopK(5), NoMemory(), num_steps=1, **changes)


class Forgetful(ErrorFeedback):
    """A wrong version: only the last step's rest is remembered."""

    def add(self, update: np.ndarray) -> np.ndarray:
        self.update = np.array(update, np.float64)
        return super().add(update)

    def keep(self, wanted: np.ndarray, sent: np.ndarray) -> None:
        self.memory = self.update - np.where(sent != 0, self.update, 0.0)


def test_planted_memory_is_rejected_by_the_loop_of_the_paper() -> None:
    task = (bodies.quadratic_gradient, START, TopK(3), Forgetful(), 0.1, 30)
    trained = simulate(train_compressed, 3, *task).results[0]
    assert not np.allclose(trained.history, by_hand(3, TopK(3), 0.1, 30, True), atol=1e-3)


def test_planted_sum_instead_of_mean_is_another_step() -> None:
    """With 3 ranks it is three times as long."""
    task = (bodies.quadratic_gradient, START, Uncompressed(), NoMemory(), 0.1, 1)
    step = simulate(train_compressed, 3, *task).results[0].weights
    total = sum(-0.1 * bodies.quadratic_gradient(START, 0, rank) for rank in range(3))
    assert np.linalg.norm(total) > 2 * np.linalg.norm(step)
