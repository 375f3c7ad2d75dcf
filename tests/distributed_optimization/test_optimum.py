from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from mlsys_lib.distributed_optimization import optimum
from mlsys_lib.distributed_optimization.optimum import solve
from tests.distributed_optimization.tables import LOSSES, problem, sparse

names = pytest.mark.parametrize("name", LOSSES)


def test_ridge_is_scikit_learns() -> None:
    objective = problem("squared")
    model = Ridge(alpha=0.05 * 60, fit_intercept=False).fit(objective.X, objective.y)
    np.testing.assert_allclose(solve(objective).weights, model.coef_, atol=1e-9)


def test_logistic_regression_is_scikit_learns() -> None:
    objective = problem("logistic")
    model = LogisticRegression(C=1 / (0.05 * 60), fit_intercept=False, tol=1e-12, max_iter=10_000)
    coef = model.fit(objective.X, objective.y).coef_[0]
    np.testing.assert_allclose(solve(objective, 1e-14).weights, coef, atol=1e-6)


def test_the_support_vector_machine_is_scikit_learns() -> None:
    objective = problem("hinge")
    model = LinearSVC(
        loss="hinge", dual=True, C=1 / (0.05 * 60), fit_intercept=False, tol=1e-10, max_iter=10**6
    )
    coef = model.fit(objective.X, objective.y).coef_[0]
    found = solve(objective, 1e-9)
    assert found.value <= objective.value(coef) + 1e-9
    np.testing.assert_allclose(found.weights, coef, atol=1e-3)


@names
def test_the_gap_is_kept_and_true(name: str) -> None:
    objective = problem(name)
    found = solve(objective, 1e-8)
    assert 0 <= found.gap <= 1e-8
    assert found.value == objective.value(found.weights)
    if name != "hinge":
        best = minimize(
            objective.value, np.zeros(7), jac=objective.gradient, options={"gtol": 1e-10}
        )
        assert found.value - best.fun <= found.gap + 1e-12


@names
def test_both_ways_find_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = problem(name)
    by_newton = solve(objective, 1e-10)
    by_dual = solve(replace(objective, X=sparse(objective.X)), 1e-10)  # type: ignore[arg-type]
    np.testing.assert_allclose(by_newton.weights, by_dual.weights, atol=1e-4)
    monkeypatch.setattr(optimum, "SMALL", 0)
    assert np.array_equal(solve(objective, 1e-10).weights.shape, (7,))


def test_without_a_penalty_least_squares_takes_the_shortest_solution() -> None:
    wide = problem("squared", n=4, d=7, penalty=0.0)
    expected = np.linalg.lstsq(np.asarray(wide.X), wide.y, rcond=None)[0]
    np.testing.assert_allclose(solve(wide).weights, expected, atol=1e-8)


def test_the_passes_end_and_the_gap_is_told() -> None:
    found = solve(problem("hinge"), 1e-14, max_passes=3)
    assert found.num_passes == 3
    assert found.gap > 1e-14


def test_labels_that_a_plane_separates_have_no_minimum_without_a_penalty() -> None:
    objective = replace(problem("logistic", penalty=0.0), X=np.eye(60), y=np.ones(60))
    with pytest.raises(ValueError, match="penalty must be > 0 where a plane separates the labels"):
        solve(objective)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance must be finite and > 0, got 0"):
        solve(problem("squared"), 0.0)
    with pytest.raises(ValueError, match="penalty must be > 0 where the dual is used, got 0"):
        solve(problem("hinge", penalty=0.0))


@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_newtons_steps_end_too_and_tell_their_gap(name: str) -> None:
    objective = problem(name)
    one = solve(objective, 1e-12, max_passes=1)
    assert one.num_passes == 1
    slope = objective.gradient(one.weights)
    assert one.gap == pytest.approx(slope @ slope / (2 * objective.penalty))
    assert one.value - solve(objective).value <= one.gap


@names
def test_less_precision_takes_fewer_passes(name: str) -> None:
    objective = problem(name) if name == "hinge" else problem("logistic")
    loose, tight = (solve(objective, tolerance) for tolerance in (1e-2, 1e-9))
    assert loose.num_passes < tight.num_passes
    assert tight.gap <= 1e-9 < loose.gap <= 1e-2


def test_a_row_of_zeros_does_not_hide_that_a_plane_separates() -> None:
    X, y = np.vstack([np.eye(3), np.zeros((1, 3))]), np.ones(4)
    with pytest.raises(ValueError, match="penalty must be > 0 where a plane separates"):
        solve(replace(problem("logistic", penalty=0.0), X=X, y=y))


def test_large_and_sparse_problems_go_by_the_dual(monkeypatch: pytest.MonkeyPatch) -> None:
    def newton(*args: object) -> None:
        raise AssertionError

    monkeypatch.setattr(optimum, "_newton", newton)
    objective = problem("logistic")
    solve(replace(objective, X=sparse(np.asarray(objective.X))))
    solve(problem("hinge"), 1e-6)
    with pytest.raises(AssertionError):
        solve(objective)
    monkeypatch.setattr(optimum, "SMALL", 6)
    solve(objective)
