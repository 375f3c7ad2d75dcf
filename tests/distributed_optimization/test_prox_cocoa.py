import numpy as np
import pytest

from mlsys_lib.comm import PerRank, RankError, Run, simulate
from mlsys_lib.distributed_optimization import Lasso, prox_cocoa, solve_lasso
from mlsys_lib.distributed_optimization.cost import lasso_cost
from tests.conftest import Machine
from tests.distributed_optimization.tables import sparse
from tests.distributed_optimization.test_lasso import lasso


def columns_of(problem: Lasso, world_size: int) -> PerRank:
    return PerRank(np.array_split(np.asarray(problem.X), world_size, axis=1))


def weights_of(run: Run) -> np.ndarray:
    return np.concatenate([result.weights for result in run.results])


def test_the_certificate_is_the_gap_of_all_weights_together(machine: Machine) -> None:
    problem, m = lasso(), machine.world_size
    run = machine.run(prox_cocoa, columns_of(problem, m), problem.y, 0.1, 4)
    w = weights_of(run)
    for result in run.results:
        np.testing.assert_allclose(result.scores, problem.X @ w, atol=1e-12)
        assert result.gaps[-1] == pytest.approx(problem.gap(w), abs=1e-12)
        assert result.primal[-1] == pytest.approx(problem.value(w), abs=1e-12)
        assert len(result.gaps) == len(result.time_s) == 5
    assert run.ledger.sent_bytes == tuple(lasso_cost(m, 50, 4).sent_bytes)


@pytest.mark.parametrize("aggregation", [1.0, 0.25], ids=["adding", "averaging"])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_it_finds_the_serial_solution(aggregation: float, as_sparse: bool) -> None:
    problem = lasso()
    parts = columns_of(problem, 4)
    if as_sparse:
        parts = PerRank([sparse(part) for part in parts.values])
    run = simulate(
        prox_cocoa, 4, parts, problem.y, 0.1, 3000, aggregation=aggregation, tolerance=1e-9
    )
    result = run.results[0]
    assert result.gaps[-1] <= 1e-9 < result.gaps[-2]
    assert np.diff(result.primal).max() <= 1e-12  # a safe scale: no round loses
    np.testing.assert_allclose(weights_of(run), solve_lasso(problem, 1e-12), atol=1e-3)


def test_with_one_rank_it_is_coordinate_descent() -> None:
    problem = lasso()
    run = simulate(prox_cocoa, 1, problem.X, problem.y, 0.1, 500, tolerance=1e-11)
    np.testing.assert_allclose(weights_of(run), solve_lasso(problem, 1e-12), atol=1e-4)


def test_adding_without_the_scale_diverges_on_copies_of_one_column() -> None:
    """The planted failure: three workers that hold the same columns, each thinks it is alone."""
    problem = lasso(d=4)
    copies = PerRank([problem.X] * 3)
    safe, naive = (
        simulate(prox_cocoa, 3, copies, problem.y, 0.1, 30, **options).results[0]
        for options in ({}, {"subproblem_scale": 1.0})
    )
    assert safe.gaps[-1] < 1e-3
    assert naive.gaps[-1] > 100 * naive.gaps[0]


@pytest.mark.parametrize(
    ("tables", "targets", "message"),
    [
        ([np.ones((2, 1)), np.ones((3, 1))], [np.ones(2), np.ones(3)], "same number of examples"),
        ([np.ones((2, 1))] * 2, [np.ones(2), np.zeros(2)], "shards must have the same targets"),
        ([np.ones((2, 1)), np.full((2, 1), np.nan)], [np.ones(2)] * 2, "X must be finite.* rank 1"),
        ([np.ones((2, 1))] * 2, [np.ones(3)] * 2, "y must hold one finite target.* ranks 0, 1"),
        ([np.ones((0, 1))] * 2, [np.ones(0)] * 2, "X must have at least one row, got none"),
    ],
)
def test_every_rank_refuses_and_names_the_ranks_at_fault(
    tables: list[np.ndarray], targets: list[np.ndarray], message: str
) -> None:
    with pytest.raises(RankError, match=message):
        simulate(prox_cocoa, 2, PerRank(tables), PerRank(targets), 0.1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": 0.0}, "penalty must be finite and > 0, got 0"),
        ({"aggregation": -1.0}, "aggregation must be finite and > 0, got -1"),
        ({"aggregation": 2.0}, r"aggregation must be in \(0, 1\], got 2"),
        ({"num_local_passes": 0}, "num_local_passes must be an integer >= 1, got 0"),
    ],
)
def test_bad_input_is_refused(options: dict, message: str) -> None:
    problem = lasso()
    with pytest.raises(RankError, match=message):
        simulate(
            prox_cocoa,
            2,
            columns_of(problem, 2),
            problem.y,
            **{"penalty": 0.1, "num_rounds": 2} | options,
        )


def test_more_passes_need_fewer_rounds_and_more_time() -> None:
    problem = lasso()
    runs = [
        simulate(
            prox_cocoa, 4, columns_of(problem, 4), problem.y, 0.1, 500,
            num_local_passes=passes, tolerance=1e-6, seconds_per_entry=1.0,
        )
        for passes in (1, 5)
    ]  # fmt: skip
    one, five = (run.results[0] for run in runs)
    assert len(five.gaps) < len(one.gaps)
    for run, passes in ((one, 1), (five, 5)):
        a_round = 2 * passes * 50 * 5
        assert run.time_s[1] == pytest.approx(a_round, rel=1e-3)


def test_orders_are_new_each_time_and_follow_the_seed() -> None:
    problem = lasso()
    ends = [
        weights_of(
            simulate(
                prox_cocoa, 2, columns_of(problem, 2), problem.y, 0.1, 2, num_local_passes=2, seed=s
            )
        )
        for s in (0, 0, 1)
    ]
    assert np.array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0], ends[2])


def test_a_run_that_diverges_stops_with_finite_weights_and_says_so() -> None:
    problem = lasso(d=4)
    run = simulate(
        prox_cocoa, 6, PerRank([problem.X] * 6), problem.y, 0.1, 3000, subproblem_scale=0.5
    )
    for result in run.results:
        assert result.diverged_at == len(result.gaps) < 3000
        assert np.isfinite(result.scores).all() and np.isfinite(result.weights).all()


@pytest.mark.parametrize("name", ["tolerance", "subproblem_scale"])
def test_numbers_below_zero_are_refused(name: str) -> None:
    problem = lasso()
    with pytest.raises(RankError, match=f"{name} must be finite and >"):
        simulate(prox_cocoa, 2, columns_of(problem, 2), problem.y, 0.1, 2, **{name: -1.0})
