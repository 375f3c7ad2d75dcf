import numpy as np
import pytest

from mlsys_lib.comm import RankError, simulate
from mlsys_lib.distributed_optimization import (
    Objective,
    bias_corrected_average,
    one_shot_average,
    solve,
)
from mlsys_lib.distributed_optimization.cost import primal_cost
from tests.conftest import Machine
from tests.distributed_optimization.tables import dealt, problem


def test_it_is_the_weighted_average_of_the_minimisers(machine: Machine) -> None:
    objective = problem("logistic")
    tables, targets = dealt(objective, machine.world_size, uneven=True)
    run = machine.run(one_shot_average, tables, targets, objective.loss, 0.05)
    parts = [
        (len(y) / 60, solve(Objective(X, y, objective.loss, 0.05)).weights)
        for X, y in zip(tables.values, targets.values, strict=True)
        if len(y)
    ]
    expected = sum(share * weights for share, weights in parts)
    for result in run.results:
        np.testing.assert_allclose(result, expected, atol=1e-12)
    assert run.ledger.sent_bytes == tuple(primal_cost(machine.world_size, 7, 1).sent_bytes)


def test_one_rank_solves_the_problem() -> None:
    objective = problem("hinge")
    run = simulate(one_shot_average, 1, *dealt(objective, 1), objective.loss, 0.05, tolerance=1e-7)
    assert objective.value(run.results[0]) <= solve(objective, 1e-7).value + 1e-7


def test_copies_of_one_shard_average_to_the_minimum() -> None:
    objective = problem("squared")
    run = simulate(one_shot_average, 5, objective.X, objective.y, objective.loss, 0.05)
    np.testing.assert_allclose(run.results[0], solve(objective).weights, atol=1e-9)


def coins(m: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The share of heads of m workers with n coins each, and the log-odds that each estimates."""
    heads = np.random.default_rng(seed).binomial(n, 0.1, m)
    kept = np.clip(heads, 0.5, n - 0.5)  # a worker without a head would estimate minus infinity
    return heads, np.log(kept / (n - kept))


@pytest.mark.parametrize("m", [10, 100, 1000])
def test_the_bias_does_not_shrink_with_more_workers(m: int) -> None:
    """Log-odds of p = 0.1 from 50 coins a worker: reference numbers say about -0.10."""
    truth = np.log(0.1 / 0.9)
    errors = [coins(m, 50, seed)[1].mean() - truth for seed in range(max(20, 4000 // m))]
    assert np.mean(errors) == pytest.approx(-0.10, abs=0.02)


def test_the_papers_formula_takes_most_of_the_bias_away() -> None:
    """Half a million workers with 100 coins each, p = 0.2, and half of them drawn again."""
    rng, truth = np.random.default_rng(0), np.log(0.2 / 0.8)
    heads = rng.binomial(100, 0.2, 500_000)
    part = rng.hypergeometric(heads, 100 - heads, 50)
    enough = part > 0  # without a head, no finite answer: one worker in fifty thousand
    whole, of_part = np.log(heads / (100 - heads)), np.log(part[enough] / (50 - part[enough]))
    corrected = (whole.mean() - 0.5 * of_part.mean()) / 0.5
    assert whole.mean() - truth == pytest.approx(-0.6 / (2 * 0.16 * 100), rel=0.1)
    assert abs(corrected - truth) < abs(whole.mean() - truth) / 5


def test_the_correction_is_the_papers_formula() -> None:
    objective = problem("squared")
    tables, targets = dealt(objective, 3)
    run = simulate(bias_corrected_average, 3, tables, targets, objective.loss, 0.05, 0.25, seed=3)
    whole, part = np.zeros(7), np.zeros(7)
    for rank in range(3):
        rows = np.random.default_rng([3, rank]).choice(20, 5, replace=False)
        X, y = tables.values[rank], targets.values[rank]
        whole += solve(Objective(X, y, objective.loss, 0.05)).weights / 3
        part += solve(Objective(X[rows], y[rows], objective.loss, 0.05)).weights / 3
    np.testing.assert_allclose(run.results[0], (whole - 0.25 * part) / 0.75, atol=1e-10)
    assert run.ledger.sent_bytes == tuple(primal_cost(3, 7, 1).sent_bytes)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, np.nan])
def test_a_share_must_lie_between_nothing_and_all(fraction: float) -> None:
    objective = problem("squared")
    with pytest.raises(RankError, match=r"fraction must be in \(0, 1\), got"):
        simulate(bias_corrected_average, 2, *dealt(objective, 2), objective.loss, 0.05, fraction)
