import numpy as np
import pytest

from mlsys_lib.comm import PerRank, RankError, simulate
from mlsys_lib.distributed_optimization import Hinge, Objective, Squared, cocoa, deal, solve
from mlsys_lib.distributed_optimization.certificate import Dual
from mlsys_lib.distributed_optimization.cost import dual_cost
from mlsys_lib.distributed_optimization.sdca import BlockSolver
from tests.conftest import Machine
from tests.distributed_optimization.tables import LOSSES, dealt, problem, sparse

names = pytest.mark.parametrize("name", LOSSES)


def run_on(objective: Objective, world_size: int, num_rounds: int, **options: object) -> list[Dual]:
    """The outcome of each simulated rank."""
    parts = dealt(objective, world_size)
    loss, penalty = objective.loss, objective.penalty
    return list(simulate(cocoa, world_size, *parts, loss, penalty, num_rounds, **options).results)


@pytest.mark.parametrize("uneven", [False, True], ids=["even", "uneven"])
def test_the_certificate_is_the_gap_of_all_duals_together(machine: Machine, uneven: bool) -> None:
    objective, m = problem("hinge"), machine.world_size
    run = machine.run(cocoa, *dealt(objective, m, uneven=uneven), objective.loss, 0.05, 4)
    dual = np.concatenate([result.dual for result in run.results])
    for result in run.results:
        assert np.array_equal(result.history, run.results[0].history)
        np.testing.assert_allclose(result.weights, objective.weights_of(dual), atol=1e-12)
        assert result.gaps[-1] == pytest.approx(objective.gap(dual), abs=1e-12)
        assert result.primal == pytest.approx([objective.value(w) for w in result.history])
        assert len(result.gaps) == len(result.history) == len(result.time_s) == 5
    assert run.ledger.sent_bytes == tuple(dual_cost(m, 7, 4).sent_bytes)


@names
@pytest.mark.parametrize("options", [{}, {"aggregation": 0.25}], ids=["adding", "averaging"])
def test_it_finds_the_minimum_and_the_gap_bounds_the_error(name: str, options: dict) -> None:
    objective = problem(name)
    best = solve(objective, 1e-9).value
    result = run_on(objective, 4, 3000, tolerance=1e-6, **options)[0]
    assert result.gaps[-1] <= 1e-6 < result.gaps[-2]
    assert (np.array(result.primal) - best <= result.gaps + 1e-12).all()
    assert max(result.dual_values) <= best + 1e-9
    assert np.diff(result.dual_values).min() >= -1e-12  # a safe scale: no round loses


@names
def test_with_one_rank_it_is_dual_coordinate_ascent(name: str) -> None:
    objective = problem(name)
    result = run_on(objective, 1, 3, seed=5)[0]
    solver = BlockSolver(objective.X, objective.y, objective.loss, np.random.default_rng([5, 0]))
    dual, w = np.zeros(60), np.zeros(7)
    for _ in range(3):
        w = w + solver.solve(dual, w, 0.05 * 60, 1.0, 60)
    np.testing.assert_allclose(result.dual, dual, atol=1e-12)
    np.testing.assert_allclose(result.weights, w, atol=1e-12)


@names
def test_sparse_rows_give_the_same_weights(name: str) -> None:
    dense = problem(name)
    same = Objective(sparse(np.asarray(dense.X)), dense.y, dense.loss, dense.penalty)
    one, other = run_on(dense, 3, 5)[0], run_on(same, 3, 5)[0]
    np.testing.assert_allclose(one.history, other.history, atol=1e-9)


def test_ranks_without_examples_and_more_ranks_than_examples() -> None:
    objective = problem("logistic", n=5, d=3)
    results = run_on(objective, 8, 200, tolerance=1e-6)
    assert results[0].gaps[-1] <= 1e-6
    assert sum(len(result.dual) for result in results) == 5
    empty = next(result for result in results if not len(result.dual))
    assert np.isnan(empty.thetas).all()


def duplicated(num_copies: int) -> Objective:
    """Ridge regression on one shard: what each of `num_copies` workers will hold."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 10))
    return Objective(X / np.linalg.norm(X, axis=1, keepdims=True), X[:, 0], Squared(), 0.01)


@pytest.mark.parametrize("m", [2, 3, 4, 8])
def test_adding_on_copies_of_one_shard_takes_a_single_round(m: int) -> None:
    """With exact local solutions, s = m is not only safe here but exact (reference numbers D)."""
    one = duplicated(m)
    result = simulate(cocoa, m, one.X, one.y, one.loss, 0.01, 2, theta=1e-10).results[0]
    assert result.gaps[1] < 1e-8 < result.gaps[0]


@pytest.mark.parametrize("m", [3, 4, 8])
def test_adding_without_the_scale_diverges_on_copies_of_one_shard(m: int) -> None:
    """The sheet's formula as printed (E-16): w moves m times too far, for ever from m = 3 on."""
    one = duplicated(m)
    naive = simulate(
        cocoa, m, one.X, one.y, one.loss, 0.01, 20, subproblem_scale=1.0, theta=1e-10
    ).results[0]
    assert naive.gaps[-1] > 1e3 * naive.gaps[0]
    assert (np.diff(np.log(naive.gaps[5:])) > 0).all()


def test_a_run_that_diverges_ends_with_finite_weights_and_says_so() -> None:
    one = duplicated(8)
    naive = simulate(
        cocoa, 8, one.X, one.y, one.loss, 0.01, 3000, subproblem_scale=1.0, theta=1e-6
    ).results[0]
    assert naive.diverged_at is not None
    assert naive.diverged_at < 3000
    assert np.isfinite(naive.history).all()
    assert len(naive.history) == naive.diverged_at == len(naive.gaps)


@pytest.mark.parametrize("m", [8, 16])
def test_adding_needs_fewer_rounds_than_averaging(m: int) -> None:
    """Section D of the reference numbers: 16 against 75 rounds, 25 against more than 150."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((512, 40))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.where(X @ rng.standard_normal(40) + 0.1 * rng.standard_normal(512) > 0, 1.0, -1.0)
    objective = Objective(X, y, Hinge(), 0.01)
    adding, averaging = (
        len(run_on(objective, m, 150, tolerance=1e-3, **options)[0].gaps) - 1
        for options in ({}, {"aggregation": 1 / m})
    )
    assert adding < 150
    assert averaging > 2 * adding


@names
@pytest.mark.parametrize("theta", [0.5, 0.01])
def test_a_chosen_theta_is_kept_and_true(name: str, theta: float) -> None:
    """What is left of the local error, measured against a local solution that is nearly exact."""
    objective = problem(name)
    parts = dealt(objective, 3)
    runs = [
        simulate(cocoa, 3, *parts, objective.loss, 0.05, 1, theta=share) for share in (theta, 1e-7)
    ]
    for rough, exact in zip(*(run.results for run in runs), strict=True):
        rank = [id(r) for r in runs[0].results].index(id(rough))
        X, y = parts[0].values[rank], parts[1].values[rank]

        def local(dual: np.ndarray, X: np.ndarray = X, y: np.ndarray = y) -> float:
            w = X.T @ dual / (0.05 * 60)  # at the start all duals are zero, and so is w
            values = objective.loss.dual_value(dual, y).sum()
            return float(values - 3 * 0.05 * 60 / 2 * (w @ w))

        best, start = local(exact.dual), local(np.zeros(len(y)))
        true = (best - local(rough.dual)) / (best - start)
        assert true <= rough.thetas[0] + 1e-6
        assert rough.thetas[0] <= theta


def test_a_small_theta_is_reached_at_the_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solved to rounding, no error is left that could be measured; this ran on for ever once."""
    solve_some, passes = BlockSolver.solve, []

    def counted(self: BlockSolver, *args: object) -> np.ndarray:
        passes.append(1)
        assert len(passes) < 100_000
        return solve_some(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(BlockSolver, "solve", counted)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 7))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    objective = Objective(X, np.where(rng.random(60) < 0.5, 1.0, -1.0), Hinge(), 0.01)
    for result in run_on(objective, 3, 400, theta=1e-3):
        assert result.thetas[-1] <= 1e-3


def test_more_local_steps_leave_less_and_few_need_more_rounds() -> None:
    objective = problem("logistic", n=200)
    runs = [run_on(objective, 4, 500, tolerance=1e-5, num_local_steps=h)[0] for h in (5, 50, 500)]
    assert len(runs[0].gaps) > 2 * len(runs[1].gaps)  # and exact local solutions are no better
    assert np.mean(runs[0].thetas) > np.mean(runs[1].thetas) > np.mean(runs[2].thetas)


def test_the_rate_for_smooth_losses_is_the_theorems() -> None:
    """Ma et al. 2015, theorem 10: with Θ, s = m, ω = 1 the dual error falls by this each round."""
    objective = problem("squared", n=64, d=7, penalty=0.1)
    m, theta, n = 4, 0.1, 64
    result = run_on(objective, m, 40, theta=theta)[0]
    errors = solve(objective, 1e-13).value - np.array(result.dual_values)
    largest = max(np.linalg.norm(X, 2) ** 2 for X in np.array_split(np.asarray(objective.X), m))
    factor = 1 - (1 - theta) * 0.1 * n / (0.1 * n + largest * m)
    seen = errors[1:] / np.maximum(errors[:-1], 1e-300)
    assert (seen[errors[:-1] > 1e-11] <= factor).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": 0.0}, "penalty must be finite and > 0, got 0"),
        ({"aggregation": 0.0}, "aggregation must be finite and > 0, got 0"),
        ({"aggregation": 1.5}, r"aggregation must be in \(0, 1\], got 1.5"),
        ({"subproblem_scale": 0.0}, "subproblem_scale must be finite and > 0, got 0"),
        ({"num_local_steps": 0}, "num_local_steps must be an integer >= 1, got 0"),
        ({"theta": 1.0}, r"theta must be in \(0, 1\), got 1"),
        ({"theta": 0.5, "num_local_steps": 3}, "num_local_steps must be left out where theta"),
        ({"num_rounds": 0}, "num_rounds must be an integer >= 1, got 0"),
        ({"tolerance": -1.0}, "tolerance must be finite and >= 0, got -1"),
    ],
)
def test_bad_input_is_refused(options: dict, message: str) -> None:
    objective = problem("hinge")
    with pytest.raises(RankError, match=message):
        simulate(
            cocoa,
            2,
            *dealt(objective, 2),
            objective.loss,
            **{"penalty": 0.05, "num_rounds": 2} | options,
        )


def test_labels_of_any_rank_are_refused_on_all() -> None:
    objective = problem("hinge")
    tables, targets = dealt(objective, 3)
    wrong = PerRank([*targets.values[:2], np.abs(targets.values[2]) - 1])
    with pytest.raises(RankError, match=r"labels \+1 and -1 for a classifier.* on rank 2"):
        simulate(cocoa, 3, tables, wrong, objective.loss, 0.05, 2)


def test_each_rank_draws_its_own_orders_and_notes_what_it_left_in_turn() -> None:
    """One round on two ranks, written out: ω = 1, ω′ = 2."""
    objective = problem("squared")
    results = run_on(objective, 2, 3, seed=4)
    tables, targets = dealt(objective, 2)
    w = np.zeros(7)
    for rank in range(2):
        X, y = tables.values[rank], targets.values[rank]
        dual = np.zeros(30)
        solver = BlockSolver(X, y, objective.loss, np.random.default_rng([4, rank]))
        w = w + solver.solve(dual, np.zeros(7), 0.05 * 60, 2.0, 30)
    np.testing.assert_allclose(results[0].history[1], w, atol=1e-12)
    for rank, one_round in enumerate(run_on(objective, 2, 1, seed=4)):
        assert results[rank].thetas[0] == one_round.thetas[0] != results[rank].thetas[1]


@pytest.mark.parametrize(("aggregation", "scale"), [(1.0, 4.0), (0.25, 1.0), (0.5, 2.0)])
def test_the_safe_scale_is_aggregation_times_ranks(aggregation: float, scale: float) -> None:
    objective = problem("hinge")
    told = run_on(objective, 4, 3, aggregation=aggregation, subproblem_scale=scale)[0]
    safe = run_on(objective, 4, 3, aggregation=aggregation)[0]
    assert np.array_equal(told.history, safe.history)


@pytest.mark.parametrize("penalty", [1e-4, 1.0])
def test_theta_ends_where_rounding_is_all_that_is_left(penalty: float) -> None:
    result = simulate(
        cocoa, 2, *deal(np.eye(20), np.ones(20), 2), Squared(), penalty, 100, theta=0.5
    ).results[0]
    assert result.gaps[-1] < 1e-9
