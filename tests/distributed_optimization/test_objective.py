from dataclasses import replace

import numpy as np
import pytest

from mlsys_lib.distributed_optimization import Hinge, Objective, SparseRows, Squared
from mlsys_lib.distributed_optimization.objective import largest_eigenvalue
from tests.distributed_optimization.tables import LOSSES, problem, sparse

names = pytest.mark.parametrize("name", LOSSES)


@names
def test_sparse_and_dense_rows_make_the_same_objective(name: str) -> None:
    dense = problem(name)
    same = replace(dense, X=sparse(dense.X))  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    w, dual = rng.standard_normal(7), dense.y * rng.random(60) / 10
    assert same.value(w) == pytest.approx(dense.value(w), rel=1e-13)
    np.testing.assert_allclose(same.gradient(w), dense.gradient(w), atol=1e-14)
    rows = rng.integers(60, size=9)
    np.testing.assert_allclose(
        same.batch_gradient(w, rows), dense.batch_gradient(w, rows), atol=1e-14
    )
    assert same.gap(dual) == pytest.approx(dense.gap(dual), rel=1e-12)
    if name != "hinge":
        assert same.smoothness == pytest.approx(dense.smoothness, rel=3e-6)


@names
def test_the_gradient_is_the_derivative(name: str) -> None:
    objective = problem(name)
    w, step = np.random.default_rng(2).standard_normal(7), 1e-6
    for axis in np.eye(7):
        by_difference = objective.value(w + step * axis) - objective.value(w - step * axis)
        assert by_difference / (2 * step) == pytest.approx(objective.gradient(w) @ axis, abs=1e-6)


@names
def test_gradients_of_single_examples_average_to_the_whole(name: str) -> None:
    objective = problem(name)
    w = np.random.default_rng(3).standard_normal(7)
    each = [objective.batch_gradient(w, np.array([j])) for j in range(60)]
    np.testing.assert_allclose(np.mean(each, axis=0), objective.gradient(w), atol=1e-14)


@names
def test_no_dual_value_is_above_any_primal_value(name: str) -> None:
    objective, rng = problem(name), np.random.default_rng(4)
    for _ in range(50):
        dual, w = objective.y * rng.random(60), rng.standard_normal(7)
        assert objective.dual_value(dual) <= objective.value(w) + 1e-12
        assert objective.gap(dual) >= 0


@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_smoothness_and_convexity_bound_every_change_of_the_gradient(name: str) -> None:
    objective, rng = problem(name), np.random.default_rng(5)
    tight = 0.0
    for _ in range(300):
        a = 0.01 * rng.standard_normal(7)
        b = a + 10 ** rng.uniform(-3, 0) * rng.standard_normal(7)
        change = objective.gradient(b) - objective.gradient(a)
        far = np.linalg.norm(b - a)
        assert np.linalg.norm(change) <= objective.smoothness * far * (1 + 1e-12)
        assert change @ (b - a) >= objective.strong_convexity * far**2 * (1 - 1e-12)
        tight = max(tight, np.linalg.norm(change) / (objective.smoothness * far))
    assert tight > 0.5  # a bound ten times too large would pass the law and be of no use


def test_constants_of_least_squares_are_eigenvalues() -> None:
    objective = problem("squared", penalty=0.2)
    X = np.asarray(objective.X)
    eigenvalues = np.linalg.eigvalsh(X.T @ X / 60)
    assert objective.smoothness == pytest.approx(eigenvalues[-1] + 0.2)
    assert objective.strong_convexity == pytest.approx(eigenvalues[0] + 0.2)
    wide = problem("squared", n=4, d=7, penalty=0.2)
    assert wide.strong_convexity == 0.2
    assert wide.smoothness == pytest.approx(np.linalg.norm(wide.X, 2) ** 2 / 4 + 0.2)  # type: ignore[arg-type]
    assert problem("hinge").smoothness == np.inf
    assert problem("hinge").strong_convexity == 0.05


@pytest.mark.parametrize("shape", [(60, 7), (5, 40), (1, 1)])
def test_power_iterations_find_the_largest_eigenvalue_from_above(shape: tuple[int, int]) -> None:
    X = np.random.default_rng(6).standard_normal(shape)
    exact = np.linalg.norm(X, 2) ** 2
    assert exact <= largest_eigenvalue(sparse(X)) <= exact * (1 + 2e-6)
    assert largest_eigenvalue(np.zeros((3, 0))) == 0.0
    assert largest_eigenvalue(sparse(np.zeros((3, 2)))) == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"penalty": -1.0}, "penalty must be finite and >= 0, got -1.0"),
        ({"y": np.ones(3)}, r"y must hold one target for each of 2 rows of X, got shape \(3,\)"),
        ({"y": np.array([1.0, np.nan])}, "y must be finite, got nan in row 1"),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0)}, "X must have at least one row, got none"),
        ({"X": np.array([[1.0], [np.inf]])}, "X must be finite, and so its squares; row 1 is not"),
        ({"loss": Hinge(), "y": np.array([1.0, 2.0])}, r"labels \+1 and -1 only, got 2"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Objective(np.ones((2, 1)), np.ones(2), Squared(), 0.0), **changes)  # type: ignore[arg-type]


def test_without_a_penalty_there_are_no_weights_of_a_dual() -> None:
    with pytest.raises(ValueError, match="penalty must be > 0 where the dual is used, got 0"):
        problem("hinge", penalty=0.0).gap(np.zeros(60))


@pytest.mark.parametrize(("size", "top"), [(1000, 1.001), (3000, 1.0), (50, 2.0)])
def test_a_plateau_of_eigenvalues_does_not_hide_the_largest(size: int, top: float) -> None:
    """Where power iterations stop, a thousandth below."""
    X = SparseRows(np.r_[top, np.ones(size - 1)], np.arange(size), np.arange(size + 1), size)
    assert top**2 <= largest_eigenvalue(X) <= top**2 * (1 + 2e-6)


def test_of_sparse_rows_only_the_penalty_is_known_to_bend_the_objective() -> None:
    dense = problem("squared", penalty=0.2)
    assert replace(dense, X=sparse(np.asarray(dense.X))).strong_convexity == 0.2
