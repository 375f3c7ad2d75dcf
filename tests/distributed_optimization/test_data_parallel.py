from collections.abc import Callable

import numpy as np
import pytest

from mlsys_lib.comm import Network, RankError, simulate
from mlsys_lib.distributed_optimization import (
    Objective,
    distributed_gradient_descent,
    distributed_minibatch_sgd,
    solve,
)
from mlsys_lib.distributed_optimization.cost import primal_cost
from tests.conftest import Machine
from tests.distributed_optimization.tables import LOSSES, dealt, problem, sparse

names = pytest.mark.parametrize("name", LOSSES)


def serial(
    objective: Objective, batches: list[np.ndarray], rate: Callable[[int], float]
) -> np.ndarray:
    """The weights after each step on one machine."""
    history = [np.zeros(objective.num_features)]
    for step, batch in enumerate(batches):
        history.append(history[-1] - rate(step) * objective.batch_gradient(history[-1], batch))
    return np.array(history)


def epochs(n: int, batch_size: int, num_rounds: int, seed: int) -> list[np.ndarray]:
    """The batches that all ranks draw: each epoch a new order, its last batch maybe smaller."""
    rng, batches = np.random.default_rng(seed), []
    while len(batches) < num_rounds:
        order = rng.permutation(n)
        batches += [order[s : s + batch_size] for s in range(0, n, batch_size)]
    return batches[:num_rounds]


@pytest.mark.parametrize("uneven", [False, True], ids=["even", "uneven"])
def test_gradient_descent_is_the_serial_one_for_every_sharding(
    machine: Machine, uneven: bool
) -> None:
    objective = problem("logistic")
    parts = dealt(objective, machine.world_size, uneven=uneven)
    run = machine.run(distributed_gradient_descent, *parts, objective.loss, 0.05, 0.3, 5)
    expected = serial(objective, [np.arange(60)] * 5, lambda step: 0.3)
    for result in run.results:
        np.testing.assert_allclose(result.history, expected, atol=1e-13)
        assert np.array_equal(result.history, run.results[0].history)  # to the bit
        assert result.diverged_at is None
    assert run.ledger.sent_bytes == tuple(primal_cost(machine.world_size, 7, 5).sent_bytes)


@names
@pytest.mark.parametrize("batch_size", [1, 16, 60])
def test_mini_batches_are_the_serial_ones_for_every_sharding(name: str, batch_size: int) -> None:
    objective = problem(name)
    expected = serial(objective, epochs(60, batch_size, 9, seed=4), lambda step: 0.5 / (step + 1))
    for world_size, uneven in [(1, False), (3, True), (7, False), (64, False)]:
        run = simulate(
            distributed_minibatch_sgd, world_size, *dealt(objective, world_size, uneven=uneven),
            objective.loss, 0.05, lambda step: 0.5 / (step + 1), 9, batch_size, seed=4,
        )  # fmt: skip
        np.testing.assert_allclose(run.results[-1].history, expected, atol=1e-13)
        assert run.ledger.sent_bytes == tuple(primal_cost(world_size, 7, 9).sent_bytes)


def test_with_replacement_examples_come_again(pair: Machine) -> None:
    objective = problem("squared")
    run = pair.run(
        distributed_minibatch_sgd, *dealt(objective, 2), objective.loss, 0.05, 0.1, 4, 60,
        sampling="with_replacement", seed=2,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    draws = [rng.integers(60, size=60) for _ in range(4)]
    assert len(set(draws[0].tolist())) < 60
    expected = serial(objective, draws, lambda step: 0.1)
    np.testing.assert_allclose(run.results[1].history, expected, atol=1e-13)


def test_averages_of_the_ranks_means_are_another_descent() -> None:
    """The planted mistake of unequal shards: each rank's mean gradient, averaged."""
    objective = problem("logistic")
    tables, targets = dealt(objective, 3, uneven=True)
    w = np.ones(7)
    means = [
        Objective(X, y, objective.loss, 0.05).gradient(w)
        for X, y in zip(tables.values, targets.values, strict=True)
    ]
    assert np.abs(np.mean(means, axis=0) - objective.gradient(w)).max() > 0.01


def test_sparse_rows_give_the_same_weights() -> None:
    objective = problem("hinge")
    same = Objective(sparse(np.asarray(objective.X)), objective.y, objective.loss, 0.05)
    runs = [
        simulate(distributed_gradient_descent, 3, *dealt(o, 3), o.loss, 0.05, 0.3, 5)
        for o in (objective, same)
    ]
    np.testing.assert_allclose(*(run.results[0].history for run in runs), atol=1e-13)


@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_with_steps_of_one_over_L_it_ends_at_the_minimum(name: str) -> None:
    objective = problem(name)
    rate = 1 / objective.smoothness
    run = simulate(
        distributed_gradient_descent, 4, *dealt(objective, 4), objective.loss, 0.05, rate, 2000
    )
    assert objective.value(run.results[0].weights) - solve(objective).value < 1e-9


def test_the_clock_counts_entries_and_messages() -> None:
    """Two ranks, 30 rows of 7 each, read twice a step; a message costs a second and no byte."""
    objective = problem("squared")
    run = simulate(
        distributed_gradient_descent, 2, *dealt(objective, 2), objective.loss, 0.05, 0.1, 3,
        seconds_per_entry=0.5, network=Network(latency_s=1.0, seconds_per_byte=0.0),
    )  # fmt: skip
    a_step = 0.5 * 2 * 30 * 7 + 2
    assert run.results[0].time_s == pytest.approx([1 + a_step * t for t in range(4)])
    assert run.ledger.rounds == primal_cost(2, 7, 3).rounds == 7


def test_a_run_that_diverges_stops_with_finite_weights_and_says_so(pair: Machine) -> None:
    objective = problem("squared")
    run = pair.run(
        distributed_gradient_descent, *dealt(objective, 2), objective.loss, 0.05, 1e9, 99
    )
    for result in run.results:
        assert 1 < result.diverged_at < 99
        assert len(result.history) == len(result.time_s) == result.diverged_at
        assert np.isfinite(result.history).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0, got 0"),
        ({"num_rounds": 0}, "num_rounds must be an integer >= 1, got 0"),
        ({"penalty": -1.0}, "penalty must be finite and >= 0, got -1"),
        ({"batch_size": 0}, r"batch_size must be an integer in 1…60, got 0"),
        ({"batch_size": 61}, r"batch_size must be an integer in 1…60, got 61"),
        ({"seconds_per_entry": -1.0}, "seconds_per_entry must be finite and >= 0"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, float], message: str) -> None:
    objective = problem("squared")
    good = {"penalty": 0.05, "learning_rate": 0.1, "num_rounds": 2, "batch_size": 5}
    with pytest.raises(RankError, match=message):
        simulate(
            distributed_minibatch_sgd, 2, *dealt(objective, 2), objective.loss, **(good | changes)
        )
