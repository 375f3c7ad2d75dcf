import numpy as np
import pytest

from mlsys_lib.comm import Communicator, PerRank, RankError, simulate
from mlsys_lib.distributed_optimization import (
    Logistic,
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


def test_the_share_is_the_one_that_was_drawn() -> None:
    """0.3 of 7 rows are 3 of them; of one row nothing can be drawn, and it is not corrected."""
    objective = problem("squared", n=8)
    tables, targets = (
        PerRank([objective.X[:7], objective.X[7:]]),
        PerRank([objective.y[:7], objective.y[7:]]),
    )
    args = tables, targets, objective.loss, 0.05
    found = simulate(bias_corrected_average, 2, *args, 0.3, seed=2).results[0]
    rows = np.random.default_rng([2, 0]).choice(7, 3, replace=False)
    whole, part, alone = (
        solve(Objective(objective.X[r], objective.y[r], objective.loss, 0.05)).weights
        for r in (np.arange(7), rows, np.array([7]))
    )
    expected = 7 / 8 * (whole - 3 / 7 * part) / (4 / 7) + alone / 8
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_rank_without_a_minimum_is_named_by_all() -> None:
    tables = PerRank([np.ones((4, 1)), np.eye(4)[:, :1]])
    targets = PerRank([np.array([1.0, -1, 1, -1]), np.ones(4)])
    for method, options in ((one_shot_average, ()), (bias_corrected_average, (0.5,))):
        run = simulate(refused, 2, method, tables, targets, *options)
        assert (
            run.results
            == (
                "penalty must be > 0 where a rank's own problem has no minimum without one, "
                "as on rank 1",
            )
            * 2
        )


def refused(comm: Communicator, method: object, X: np.ndarray, y: np.ndarray, *more: float) -> str:
    try:
        method(comm, X, y, Logistic(), 0.0, *more)  # type: ignore[operator]
    except ValueError as error:
        return str(error)
    return "nothing"


def test_precision_is_asked_for_and_work_counted() -> None:
    objective = problem("hinge")
    tables, targets = dealt(objective, 2)
    args = tables, targets, objective.loss, 0.05
    loose, tight = (
        simulate(one_shot_average, 2, *args, tolerance=t, seconds_per_entry=1.0)
        for t in (1e-1, 1e-8)
    )
    assert np.abs(loose.results[0] - tight.results[0]).max() > 1e-4
    passes = [
        solve(Objective(X, y, objective.loss, 0.05), 1e-8).num_passes
        for X, y in zip(tables.values, targets.values, strict=True)
    ]
    assert tight.ledger.time_s() == pytest.approx(2 * 30 * 7 * max(passes), rel=1e-3)
