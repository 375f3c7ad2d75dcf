import numpy as np
import pytest

from mlsys_lib.distributed_optimization import sdca
from mlsys_lib.distributed_optimization.sdca import BlockSolver, plain_sdca
from tests.distributed_optimization.tables import LOSSES, problem, sparse

names = pytest.mark.parametrize("name", LOSSES)


def solvers(
    name: str, *, as_sparse: bool, scale: float, num_steps: int, block: int
) -> list[np.ndarray]:
    """Duals and changes of w: of BlockSolver, and of plain_sdca in the same order."""
    objective = problem(name, n=50)
    X = sparse(objective.X) if as_sparse else objective.X  # type: ignore[arg-type]
    shrink = objective.penalty * 80  # as if others had 30 more
    start = objective.y * np.random.default_rng(1).random(50)
    w = np.random.default_rng(2).standard_normal(7)
    fast, twin = (
        BlockSolver(X, objective.y, objective.loss, np.random.default_rng(3)) for _ in "ab"
    )
    order = [twin._rows[b][positions] for b, positions in twin.orders(num_steps)]
    one, other = start.copy(), start.copy()
    change = fast.solve(one, w, shrink, scale, num_steps)
    told = plain_sdca(
        X, objective.y, other, w, objective.loss, shrink, scale, np.concatenate(order)
    )
    assert (X.T @ (one - start) / shrink) == pytest.approx(change, abs=1e-12)
    return [one, change, other, told]


@names
@pytest.mark.parametrize("as_sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("scale", "num_steps", "block"), [(1.0, 50, 64), (4.0, 130, 7), (0.5, 3, 1)]
)
def test_blocks_take_the_steps_of_the_plain_algorithm(
    name: str,
    as_sparse: bool,
    scale: float,
    num_steps: int,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sdca, "BLOCK", block)
    one, change, other, told = solvers(
        name, as_sparse=as_sparse, scale=scale, num_steps=num_steps, block=block
    )
    np.testing.assert_allclose(one, other, atol=1e-9)
    np.testing.assert_allclose(change, told, atol=1e-9)


@pytest.mark.parametrize("planted", ["scores of the block's start", "scale left out"])
def test_a_wrong_block_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistakes: steps that do not see each other, or not the scale of the others."""
    if planted == "scale left out":
        right = BlockSolver.solve
        monkeypatch.setattr(
            BlockSolver,
            "solve",
            lambda self, a, w, shrink, scale, n: right(self, a, w, shrink, 1.0, n),
        )
    else:
        monkeypatch.setattr(sdca, "row_products", lambda X: np.diag(sdca.squared_norms(X)))
    one, _, other, _ = solvers("hinge", as_sparse=False, scale=4.0, num_steps=50, block=64)
    assert np.abs(one - other).max() > 1e-3


@names
def test_each_step_raises_the_dual_and_a_pass_names_everybody_once(name: str) -> None:
    objective = problem(name)
    solver = BlockSolver(objective.X, objective.y, objective.loss, np.random.default_rng(0))
    named = [int(j) for b, order in solver.orders(60) for j in solver._rows[b][order]]
    assert sorted(named) == list(range(60))
    dual, before = np.zeros(60), -np.inf
    for _ in range(200):
        w = objective.weights_of(dual)
        solver.solve(dual, w, 0.05 * 60, 1.0, 1)
        value = objective.dual_value(dual)
        assert value >= before - 1e-12
        before = value


def test_steps_are_counted_and_orders_differ() -> None:
    objective = problem("hinge")
    solver = BlockSolver(objective.X, objective.y, objective.loss, np.random.default_rng(0))
    for num_steps in (1, 59, 60, 61, 150):
        assert sum(len(order) for _, order in solver.orders(num_steps)) == num_steps
    first, second = (
        [j for b, order in solver.orders(60) for j in solver._rows[b][order]] for _ in range(2)
    )
    assert first != second


def test_a_rank_without_examples_changes_nothing() -> None:
    solver = BlockSolver(np.zeros((0, 3)), np.zeros(0), LOSSES["hinge"], np.random.default_rng(0))
    assert solver.solve(np.zeros(0), np.ones(3), 1.0, 2.0, 5).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("shrink", "scale", "steps", "message"),
    [
        (0.0, 1.0, 1, "shrink must be finite and > 0, got 0.0"),
        (1.0, -1.0, 1, "scale must be finite and > 0, got -1.0"),
        (1.0, 1.0, 0, "num_steps must be an integer >= 1, got 0"),
    ],
)
def test_bad_input_is_refused_before_any_step(
    shrink: float, scale: float, steps: int, message: str
) -> None:
    objective, dual = problem("hinge"), np.zeros(60)
    solver = BlockSolver(objective.X, objective.y, objective.loss, np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        solver.solve(dual, np.zeros(7), shrink, scale, steps)
    assert not dual.any()


def test_blocks_come_in_new_orders_and_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdca, "BLOCK", 7)
    objective = problem("hinge")
    one, other = (
        BlockSolver(objective.X, objective.y, objective.loss, np.random.default_rng(seed))
        for seed in (0, 1)
    )
    first, second = ([block for block, _ in one.orders(60)] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(9))
    assert first != second
    assert {*one._rows[0].tolist()} != {*other._rows[0].tolist()}
    assert {*one._rows[0].tolist()} != set(range(7))
