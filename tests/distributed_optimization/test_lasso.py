import numpy as np
import pytest
from sklearn.linear_model import Lasso as PeerLasso

from mlsys_lib.distributed_optimization import Lasso, solve_lasso
from mlsys_lib.distributed_optimization.lasso import coordinate_descent
from mlsys_lib.distributed_optimization.rows import column_sets
from tests.distributed_optimization.tables import sparse


def lasso(n: int = 50, d: int = 20, penalty: float = 0.1, seed: int = 0) -> Lasso:
    """Three weights matter; one column is empty."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.7)
    X[:, 3] = 0
    truth = np.zeros(d)
    truth[:4] = [2, -1, 1, 9]
    return Lasso(X, X @ truth + 0.3 * rng.standard_normal(n), penalty)


@pytest.mark.parametrize(("n", "d"), [(50, 20), (15, 40)])
def test_the_solution_is_scikit_learns(n: int, d: int) -> None:
    problem = lasso(n, d)
    peer = PeerLasso(alpha=0.1, fit_intercept=False, tol=1e-14, max_iter=10**6)
    expected = peer.fit(np.asarray(problem.X), problem.y).coef_
    found = solve_lasso(problem, 1e-13)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.array_equal(found == 0, expected == 0)
    same = solve_lasso(Lasso(sparse(np.asarray(problem.X)), problem.y, 0.1), 1e-13)
    np.testing.assert_allclose(same, found, atol=1e-8)


def test_the_gap_bounds_the_error_of_any_weights() -> None:
    problem, rng = lasso(), np.random.default_rng(1)
    best = problem.value(solve_lasso(problem, 1e-12))
    for size in (0.0, 0.01, 1.0):
        w = solve_lasso(problem, 1e-12) + size * rng.standard_normal(20)
        assert problem.value(w) - best <= problem.gap(w) + 1e-10
    assert problem.gap(solve_lasso(problem, 1e-12)) <= 1e-12


def test_each_step_finds_the_minimum_of_its_coordinate() -> None:
    problem = lasso()
    columns, n = list(column_sets(problem.X)), 50
    w = np.random.default_rng(2).standard_normal(20)
    residual = problem.y - problem.X @ w
    for j in range(20):
        coordinate_descent(columns, w, residual, 0.1 * n, 1.0, np.array([j]))
        near = w + np.linspace(-0.1, 0.1, 41)[:, None] * np.eye(20)[j]
        assert problem.value(w) <= min(problem.value(other) for other in near) + 1e-12
    np.testing.assert_allclose(residual, problem.y - problem.X @ w, atol=1e-12)
    assert w[3] == 0


def test_a_large_penalty_leaves_nothing() -> None:
    problem = lasso()
    largest = np.abs(problem.X.T @ problem.y).max() / 50 * (1 + 1e-12)
    assert not solve_lasso(Lasso(problem.X, problem.y, largest)).any()
    assert solve_lasso(Lasso(problem.X, problem.y, 0.99 * largest)).any()


@pytest.mark.parametrize(
    ("X", "y", "penalty", "message"),
    [
        (np.ones((2, 1)), np.ones(2), 0.0, "penalty must be finite and > 0, got 0"),
        (
            np.ones((2, 1)),
            np.ones(3),
            1.0,
            r"one finite target for each of 2 >= 1 rows, got \(3,\)",
        ),
        (np.ones((2, 1)), np.array([1, np.nan]), 1.0, "one finite target for each of 2"),
        (np.ones((0, 1)), np.ones(0), 1.0, "each of 0 >= 1 rows"),
    ],
)
def test_bad_input_is_refused(X: np.ndarray, y: np.ndarray, penalty: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Lasso(X, y, penalty)


def test_precision_and_passes_are_kept() -> None:
    problem = lasso()
    loose = problem.gap(solve_lasso(problem, 1e-2))
    assert 1e-6 < loose <= 1e-2
    one = solve_lasso(problem, 1e-12, max_passes=1)
    columns, w, residual = list(column_sets(problem.X)), np.zeros(20), problem.y.copy()
    coordinate_descent(columns, w, residual, 0.1 * 50, 1.0, np.arange(20))
    assert np.array_equal(one, w)
    with pytest.raises(ValueError, match="tolerance must be finite and > 0, got 0"):
        solve_lasso(problem, 0.0)
