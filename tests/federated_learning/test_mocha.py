"""MOCHA: relations and models of clients, certified by a duality gap."""

import importlib
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize

from mlsys_lib.distributed_optimization import Hinge, Squared
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.mocha import (
    exact_multi_task,
    exact_weights,
    mocha,
    multi_task_objective,
    safe_scale,
    task_covariance,
)

module = importlib.import_module("mlsys_lib.federated_learning.mocha")  # not the function

EPS = 1e-3
Covariance = Callable[[np.ndarray, float], np.ndarray]


def tasks(m: int = 5, d: int = 3, *, labels: bool = False, seed: int = 0) -> list[Client]:
    """Clients of 2, 3, 4 … examples; the second half has the first half's line turned round."""
    rng = np.random.default_rng(seed)
    line = rng.standard_normal(d)
    found = []
    for i in range(m):
        X = rng.standard_normal((2 + i, d))
        y = X @ (line if i < m / 2 else -line) + 0.3 * rng.standard_normal(len(X))
        found.append(Client(X, np.where(y > 0, 1.0, -1.0) if labels else y))
    return found


# --- oracle -----------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.0, 0.5])
def test_the_squared_loss_ends_where_the_linear_systems_do(penalty: float) -> None:
    clients = tasks()
    weights, covariance = exact_multi_task(clients, 0.3, penalty, num_updates=6, smoothing=EPS)
    run = mocha(
        clients, Squared(), 0.3, penalty,
        num_updates=6, num_rounds=5000, tolerance=1e-12, smoothing=EPS,
    )  # fmt: skip
    np.testing.assert_allclose(run.weights, weights, atol=1e-5)
    np.testing.assert_allclose(run.covariance, covariance, atol=1e-5)


def test_the_linear_system_is_the_minimum_of_the_objective() -> None:
    clients = tasks(3, 2)
    covariance = task_covariance(np.random.default_rng(1).standard_normal((3, 2)), EPS)

    def value(flat: np.ndarray) -> float:
        return multi_task_objective(
            clients, Squared(), flat.reshape(3, 2), covariance, 0.3, 0.2, EPS
        )

    found = minimize(value, np.zeros(6), method="BFGS", options={"gtol": 1e-7}).x
    np.testing.assert_allclose(
        exact_weights(clients, covariance, 0.3, 0.2).ravel(), found, atol=1e-4
    )


def test_the_hinge_loss_ends_where_scikit_learn_does_for_a_client_alone() -> None:
    """With one W-step Σ is I/m, and each client has its own machine of C = 1/(2(λ₁m + λ₂))."""
    from sklearn.svm import LinearSVC

    clients = tasks(3, labels=True)
    run = mocha(clients, Hinge(), 0.1, 0.2, num_updates=1, num_rounds=5000, tolerance=1e-10)
    for client, w in zip(clients, run.weights, strict=True):
        machine = LinearSVC(
            C=1 / (2 * (0.1 * 3 + 0.2)), loss="hinge", fit_intercept=False,
            tol=1e-9, max_iter=200_000,
        )  # fmt: skip
        labels = client.y
        if len(set(labels)) == 1:  # scikit-learn wants both classes: turn a row round
            flip = np.where(np.arange(len(labels)) == 0, -1.0, 1.0)
            found = machine.fit(client.X * flip[:, None], labels * flip).coef_[0]
        else:
            found = machine.fit(client.X, labels).coef_[0]
        np.testing.assert_allclose(w, found, atol=1e-4)


def is_best_covariance(covariance: np.ndarray, weights: np.ndarray) -> bool:
    """Compare with the value of the closed form, the constraint, and random other matrices."""
    squares = weights @ weights.T + EPS * np.eye(len(weights))

    def cost(matrix: np.ndarray) -> float:
        return float(np.trace(np.linalg.solve(matrix, squares)))

    rng = np.random.default_rng(5)
    others = []
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(50):
            factor = np.linalg.cholesky(covariance) + size * rng.standard_normal(squares.shape)
            other = factor @ factor.T + 1e-9 * np.eye(len(squares))
            others.append(cost(other / np.trace(other)))
    of_all = np.sqrt(np.linalg.eigvalsh(squares)).sum() ** 2
    return bool(
        np.trace(covariance) == pytest.approx(1)
        and cost(covariance) == pytest.approx(of_all)
        and min(others) >= cost(covariance) * (1 - 1e-12)
    )


def not_renormalised(weights: np.ndarray, smoothing: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(weights @ weights.T + smoothing * np.eye(len(weights)))
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def without_the_root(weights: np.ndarray, smoothing: float) -> np.ndarray:
    squares = weights @ weights.T + smoothing * np.eye(len(weights))
    return np.asarray(squares / np.trace(squares))


def inverse_instead(weights: np.ndarray, smoothing: float) -> np.ndarray:
    inverse = np.linalg.inv(task_covariance(weights, smoothing))
    return np.asarray(inverse / np.trace(inverse))


def test_no_other_covariance_of_trace_one_costs_less() -> None:
    for seed in range(5):
        weights = np.random.default_rng(seed).standard_normal((4, 3))
        assert is_best_covariance(task_covariance(weights, EPS), weights)


@pytest.mark.parametrize("wrong", [not_renormalised, without_the_root, inverse_instead])
def test_a_wrong_covariance_is_noticed(wrong: Covariance) -> None:
    weights = np.random.default_rng(0).standard_normal((4, 3))
    assert not is_best_covariance(wrong(weights, EPS), weights)


# --- law --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [Squared(), Hinge()], ids=["squared", "hinge"])
def test_the_alternation_never_raises_the_objective_and_ends_at_one_minimum(loss: Loss) -> None:
    clients = tasks(labels=isinstance(loss, Hinge))
    run = mocha(
        clients, loss, 0.3, 0.1, num_updates=12, num_rounds=3000, tolerance=1e-8, smoothing=EPS
    )
    assert (np.diff(run.objectives) <= 1e-7).all()
    assert run.objectives[0] - run.objectives[-1] > 0.05

    def value(weights: np.ndarray) -> float:
        covariance = task_covariance(weights, EPS)
        return multi_task_objective(clients, loss, weights, covariance, 0.3, 0.1, EPS)

    rng = np.random.default_rng(0)
    nearby = [
        value(run.weights + size * rng.standard_normal((5, 3)))
        for size in (1e-3, 1e-2, 0.1, 1.0)
        for _ in range(50)
    ]
    assert min(nearby) >= run.objectives[-1] - 2e-3


def test_two_starts_end_with_the_same_objective() -> None:
    """The problem is convex in W and Σ together: start the linear systems at another Σ."""
    clients = tasks()
    found = []
    for start in (
        np.eye(5) / 5,
        task_covariance(np.random.default_rng(3).normal(size=(5, 3)), 1e-2),
    ):
        covariance = start
        for _ in range(300):
            weights = exact_weights(clients, covariance, 0.3, 0.1)
            covariance = task_covariance(weights, EPS)
        found.append(multi_task_objective(clients, Squared(), weights, covariance, 0.3, 0.1, EPS))
    assert found[0] == pytest.approx(found[1], rel=1e-6)


@pytest.mark.parametrize("loss", [Squared(), Hinge()], ids=["squared", "hinge"])
def test_the_gap_certifies_the_step(loss: Loss) -> None:
    """Gap ≥ objective - minimum ≥ 0, after every round."""
    clients = tasks(labels=isinstance(loss, Hinge))
    fixed = {"num_updates": 1, "smoothing": EPS}
    best = mocha(clients, loss, 0.3, 0.1, num_rounds=5000, tolerance=1e-11, **fixed)  # type: ignore[arg-type]
    assert 0 <= best.gaps[0][-1] <= 1e-11 + 1e-12
    for rounds in (1, 2, 5, 20):
        run = mocha(clients, loss, 0.3, 0.1, num_rounds=rounds, tolerance=0.0, **fixed)  # type: ignore[arg-type]
        above = run.objectives[0] - best.objectives[0]
        assert -1e-9 <= above <= run.gaps[0][-1] + 1e-9


def drop_one(at: int, rng: np.random.Generator) -> np.ndarray:
    """Client at % 5 does nothing; the others do between a tenth and all of their steps."""
    shares = rng.uniform(0.1, 1.0, 5)
    shares[at % 5] = 0.0
    return shares


def test_stragglers_and_dropped_clients_slow_it_down_and_change_nothing_else() -> None:
    clients = tasks(labels=True)
    settings = {"num_updates": 4, "num_rounds": 5000, "tolerance": 1e-9, "smoothing": EPS}
    whole = mocha(clients, Hinge(), 0.3, 0.1, **settings)  # type: ignore[arg-type]
    ragged = mocha(clients, Hinge(), 0.3, 0.1, work=drop_one, **settings)  # type: ignore[arg-type]
    np.testing.assert_allclose(ragged.objectives, whole.objectives, atol=1e-6)
    assert sum(map(len, ragged.gaps)) > sum(map(len, whole.gaps))
    assert set(ragged.bytes_up[0]) == {4 * 3 * 8}
    assert set(whole.bytes_up[0]) == {5 * 3 * 8}


def test_rounds_are_counted_over_all_updates() -> None:
    seen = []

    def work(at: int, rng: np.random.Generator) -> np.ndarray:
        seen.append(at)
        return np.ones(5)

    mocha(tasks(), Squared(), 0.3, 0.1, num_updates=3, num_rounds=4, tolerance=0.0, work=work)
    assert seen == list(range(12))


def test_a_client_that_never_answers_keeps_its_dual_numbers_at_zero() -> None:
    clients = tasks()
    run = mocha(
        clients, Squared(), 0.3, 0.0, num_updates=3, smoothing=EPS,
        work=lambda at, rng: np.array([1.0, 1.0, 1.0, 1.0, 0.0]),
    )  # fmt: skip
    alone = mocha(clients[:4], Squared(), 0.3 * 5 / 4, 0.0, num_updates=1, smoothing=EPS)
    first = mocha(
        clients, Squared(), 0.3, 0.0, num_updates=1, smoothing=EPS,
        work=lambda at, rng: np.array([1.0, 1.0, 1.0, 1.0, 0.0]),
    )  # fmt: skip
    np.testing.assert_allclose(first.weights[:4], alone.weights, atol=1e-3)
    assert not first.weights[4].any()
    assert np.isfinite(run.weights).all()


def test_the_safe_scale_is_safe_and_never_above_the_papers() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        factor = rng.standard_normal((5, 3))
        coupling = factor @ factor.T + 0.01 * np.eye(5)
        scale = safe_scale(coupling)
        rows = (np.abs(coupling).sum(axis=1) / np.diag(coupling)).max()
        assert 1 <= scale <= min(5, rows) + 1e-12
        sums = rng.standard_normal((5, 2))
        apart = float(np.diag(coupling) @ (sums**2).sum(axis=1))
        assert np.trace(sums.T @ coupling @ sums) <= scale * apart * (1 + 1e-12)


def test_a_scale_that_forgets_the_other_clients_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Planted: ω′ = 1, as if clients did not step at the same time. Related clients overshoot."""
    x = np.ones((20, 1))
    clients = [Client(x, np.ones(20)) for _ in range(8)]
    good = mocha(clients, Squared(), 0.01, 0.0, num_updates=2, num_rounds=30)
    assert good.gaps[1][-1] < 0.1
    monkeypatch.setattr(module, "safe_scale", lambda coupling: 1.0)
    bad = mocha(clients, Squared(), 0.01, 0.0, num_updates=2, num_rounds=30)
    assert bad.gaps[1][-1] > 1e3


def test_related_clients_are_found() -> None:
    run = mocha(tasks(6, seed=2), Squared(), 0.3, 0.0, num_updates=10, smoothing=EPS)
    sizes = np.sqrt(np.diag(run.covariance))
    correlation = run.covariance / np.outer(sizes, sizes)
    assert correlation[:3, :3].min() > 0.4
    assert correlation[3:, 3:].min() > 0.4
    assert correlation[:3, 3:].max() < -0.4


# --- edge -------------------------------------------------------------------------------------


def test_one_client_is_ridge_regression() -> None:
    client = tasks(1)[0]
    run = mocha([client], Squared(), 0.3, 0.2, num_updates=3, num_rounds=2000, tolerance=1e-12)
    ridge = np.linalg.solve(client.X.T @ client.X + np.eye(3), client.X.T @ client.y)
    np.testing.assert_allclose(run.weights[0], ridge, atol=1e-5)
    assert run.covariance.tolist() == [[1.0]]


def test_the_objective_is_its_formula() -> None:
    """Two tasks of one feature and one example, Σ = diag(s, 1 - s), everything by hand."""
    clients = [Client(np.ones((1, 1)), np.array([2.0])), Client(np.ones((1, 1)), np.array([0.0]))]
    value = multi_task_objective(
        clients, Squared(), np.array([[3.0], [-1.0]]), np.diag([0.25, 0.75]), 0.5, 0.1, 0.01
    )
    by_hand = (1 + 1) / 2 + 0.5 * (9.01 / 0.25 + 1.01 / 0.75) + 0.1 * (9 + 1)
    assert value == pytest.approx(by_hand)


def test_more_local_passes_need_fewer_rounds() -> None:
    rounds = [
        len(
            mocha(
                tasks(), Squared(), 0.3, 0.1, num_updates=1, num_rounds=9999, local_passes=p
            ).gaps[0]
        )
        for p in (0.01, 1.0, 20.0)
    ]
    assert rounds[0] > 1.5 * rounds[1]
    assert rounds[1] > 1.2 * rounds[2]


def test_targets_of_zero_give_weights_of_zero_and_an_even_covariance() -> None:
    clients = [Client(c.X, np.zeros(len(c.y))) for c in tasks(3)]
    run = mocha(clients, Squared(), 0.3, 0.0, num_updates=3)
    assert not run.weights.any()
    np.testing.assert_allclose(run.covariance, np.eye(3) / 3)
    assert run.gaps == ((0.0,), (0.0,), (0.0,))
    assert run.bytes_up == ((), (), ())


def test_rows_of_zeros_and_clients_of_one_class_are_fine() -> None:
    clients = [Client(np.zeros((2, 2)), np.ones(2)), Client(np.ones((1, 2)), -np.ones(1))]
    run = mocha(clients, Hinge(), 0.3, 0.0, num_rounds=500)
    assert np.isfinite(run.weights).all()
    assert run.gaps[-1][-1] <= 1e-6


def test_runs_repeat_and_seeds_differ() -> None:
    runs = [
        mocha(tasks(), Squared(), 0.3, 0.1, num_updates=2, num_rounds=2, seed=seed).weights
        for seed in (0, 0, 1)
    ]
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


# --- error ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"relation_penalty": 0.0}, "relation_penalty must be finite and > 0, got 0.0"),
        ({"penalty": -1.0}, r"penalty must be finite and >= 0, got -1.0"),
        ({"num_updates": 0}, "num_updates must be an integer >= 1, got 0"),
        ({"num_rounds": 0}, "num_rounds must be an integer >= 1, got 0"),
        ({"local_passes": 0.0}, "local_passes must be finite and > 0, got 0.0"),
        ({"tolerance": -1e-9}, "tolerance must be finite and >= 0, got -1e-09"),
        ({"smoothing": 0.0}, "smoothing must be finite and > 0, got 0.0"),
        ({"clients": []}, "clients must hold at least one client, got none"),
        ({"loss": Hinge()}, r"y must hold labels \+1 and -1 only"),
        ({"work": lambda at, rng: np.ones(4)}, r"work must return 5 shares in \[0, 1\]"),
        ({"work": lambda at, rng: np.full(5, 1.5)}, r"work must return 5 shares in \[0, 1\]"),
        ({"work": lambda at, rng: np.full(5, np.nan)}, r"work must return 5 shares in \[0, 1\]"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, object], message: str) -> None:
    arguments = {"clients": tasks(), "loss": Squared(), "relation_penalty": 0.3, "penalty": 0.1}
    with pytest.raises(ValueError, match=message):
        mocha(**{**arguments, **changed})  # type: ignore[arg-type]


def test_clients_of_other_features_are_refused() -> None:
    clients = [Client(np.ones((1, 2)), np.ones(1)), Client(np.ones((1, 3)), np.ones(1))]
    with pytest.raises(ValueError, match=r"the same number of features, got \[2, 3\]"):
        mocha(clients, Squared(), 0.3, 0.1)
