"""Ditto: a model for each client, held near the shared one."""

import importlib

import numpy as np
import pytest
from scipy.optimize import minimize

from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.ditto import DittoSgd, Near, ditto, personal_model
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.local import ClientState, LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.systems import Stragglers

module = importlib.import_module("mlsys_lib.federated_learning.ditto")  # not the function

SETTINGS = {"num_rounds": 300, "local_epochs": 2, "batch_size": None, "learning_rate": 0.1}


def lines(m: int = 3, n: int = 6) -> list[Client]:
    rng = np.random.default_rng(0)
    return [Client(rng.standard_normal((n, 2)), rng.standard_normal(n)) for _ in range(m)]


def labelled() -> tuple[SoftmaxRegression, Client]:
    rng = np.random.default_rng(1)
    return SoftmaxRegression(3, 3, penalty=0.01), Client(
        rng.standard_normal((30, 3)), rng.integers(0, 3, 30)
    )


def ridge(client: Client, center: np.ndarray, weight: float) -> np.ndarray:
    """The same by a linear system."""
    gram = client.X.T @ client.X / len(client.y) + weight * np.eye(2)
    return np.linalg.solve(gram, client.X.T @ client.y / len(client.y) + weight * center)


# --- oracle -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.0, 0.3, 30.0])
def test_a_personal_model_is_the_solution_of_the_linear_system(weight: float) -> None:
    center = np.array([3.0, -1.0])
    for client in lines():
        found = personal_model(LeastSquares(2), client, center, weight)
        np.testing.assert_allclose(found, ridge(client, center, weight), atol=1e-7)
    assert center.tolist() == [3.0, -1.0]


@pytest.mark.parametrize("weight", [0.0, 0.3, 30.0])
def test_a_personal_model_is_what_scipy_finds(weight: float) -> None:
    model, client = labelled()
    center = np.random.default_rng(2).standard_normal(12)
    near = Near(model, center, weight)
    other = minimize(
        lambda w: near.loss(w, client.X, client.y),
        center,
        jac=lambda w: near.gradient(w, client.X, client.y),
        options={"gtol": 1e-9},
    ).x
    np.testing.assert_allclose(personal_model(model, client, center, weight), other, atol=1e-6)


def test_the_slope_of_the_term_is_that_of_its_value() -> None:
    model, client = labelled()
    rng = np.random.default_rng(3)
    near, at, way = Near(model, rng.standard_normal(12), 0.7), *rng.standard_normal((2, 12))
    h = 1e-6
    rise = near.loss(at + h * way, client.X, client.y) - near.loss(at - h * way, client.X, client.y)
    slope = near.gradient(at, client.X, client.y) @ way
    assert rise / (2 * h) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
def test_runs_end_at_the_shared_model_and_the_exact_personal_ones(weight: float) -> None:
    clients = lines()
    found = ditto(LeastSquares(2), clients, np.zeros(2), proximal_weight=weight, **SETTINGS)  # type: ignore[arg-type]
    expected = [ridge(c, found.history.final, weight) for c in clients]
    np.testing.assert_allclose(found.personal, expected, atol=1e-5)


# --- law --------------------------------------------------------------------------------------


def test_the_shared_model_is_fedavgs_to_the_last_bit() -> None:
    settings = {**SETTINGS, "batch_size": 4, "num_rounds": 5, "client_fraction": 0.7}
    found = ditto(LeastSquares(2), lines(), np.zeros(2), proximal_weight=0.5, **settings)  # type: ignore[arg-type]
    plain = fedavg(LeastSquares(2), lines(), np.zeros(2), **settings)  # type: ignore[arg-type]
    assert (found.history.weights == plain.weights).all()
    assert (found.history.up_bytes == plain.up_bytes).all()


def test_zero_leaves_clients_alone_and_a_large_weight_gives_all_the_shared_model() -> None:
    clients, center = lines(), np.array([1.0, 2.0])
    apart = []
    for weight in (0.0, 0.1, 1.0, 10.0, 1e6):
        found = [personal_model(LeastSquares(2), c, center, weight) for c in clients]
        apart.append([np.linalg.norm(v - center) for v in found])
        if weight == 0:
            alone = [np.linalg.lstsq(c.X, c.y)[0] for c in clients]
            np.testing.assert_allclose(found, alone, atol=1e-7)
    assert (np.diff(np.array(apart), axis=0) < 0).all()
    assert max(apart[-1]) < 1e-5


def test_zero_does_not_even_look_at_the_shared_model() -> None:
    clients = lines()
    one = ditto(LeastSquares(2), clients, np.zeros(2), proximal_weight=0, **SETTINGS)  # type: ignore[arg-type]
    other = ditto(LeastSquares(2), clients[:1], np.zeros(2), proximal_weight=0, **SETTINGS)  # type: ignore[arg-type]
    assert (one.personal[0] == other.personal[0]).all()


class Unsquared(Near):
    """Planted: the gradient of λ ‖v - center‖, of the term without its square."""

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        apart = weights - self.center
        size = max(float(np.linalg.norm(apart)), 1e-12)
        return np.asarray(self.model.gradient(weights, X, y) + self.proximal_weight * apart / size)


class Away(Near):
    """Planted: the sign of the term is lost."""

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        apart = weights - self.center
        return np.asarray(self.model.gradient(weights, X, y) - self.proximal_weight * apart)


class AroundZero(Near):
    """Planted: pulled to zero, not to the shared model."""

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.gradient(weights, X, y) + self.proximal_weight * weights)


@pytest.mark.parametrize("wrong", [Unsquared, Away, AroundZero])
def test_a_wrong_term_is_noticed(wrong: type, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = lines()
    monkeypatch.setattr(module, "Near", wrong)
    found = ditto(LeastSquares(2), clients, np.zeros(2), proximal_weight=0.2, **SETTINGS)  # type: ignore[arg-type]
    expected = [ridge(c, found.history.final, 0.2) for c in clients]
    assert np.abs(found.personal - expected).max() > 1e-2


# --- edge -------------------------------------------------------------------------------------


def test_one_client_has_the_shared_model_for_its_own() -> None:
    found = ditto(LeastSquares(2), lines(1), np.zeros(2), proximal_weight=1.0, **SETTINGS)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.personal[0], found.history.final, atol=1e-6)


def test_a_client_that_is_listed_twice_is_two_clients() -> None:
    client = lines(1)[0]
    two = ditto(
        LeastSquares(2),
        [client] * 2,
        np.zeros(2),
        proximal_weight=1.0,
        **{**SETTINGS, "num_rounds": 1},
    )  # type: ignore[arg-type]
    one = ditto(
        LeastSquares(2), [client], np.zeros(2), proximal_weight=1.0, **{**SETTINGS, "num_rounds": 1}
    )  # type: ignore[arg-type]
    assert (two.personal == one.personal).all()


def test_a_client_that_never_took_part_keeps_the_start() -> None:
    settings = {**SETTINGS, "num_rounds": 1, "client_fraction": 0.3}
    start = np.array([5.0, 6.0])
    found = ditto(LeastSquares(2), lines(), start, proximal_weight=1.0, **settings)  # type: ignore[arg-type]
    took_part = set(found.history.sampled[0])
    for i in range(3):
        assert (found.personal[i] == start).all() == (i not in took_part)
    assert start.tolist() == [5.0, 6.0]


def test_a_client_that_comes_late_starts_its_own_model_at_the_start() -> None:
    settings = {**SETTINGS, "num_rounds": 4, "client_fraction": 0.3}
    clients, start = lines(), np.ones(2)
    found = ditto(LeastSquares(2), clients, start, proximal_weight=0.0, **settings)  # type: ignore[arg-type]
    sampled = [i for (i,) in found.history.sampled]
    late = next(i for i in sampled if sampled[0] != i)
    expected, sgd = start, LocalSgd(2, None, 0.1)
    for _ in range(sampled.count(late)):
        expected, _steps = sgd(
            LeastSquares(2), clients[late], expected, np.random.default_rng(0), 1.0, ClientState()
        )
    np.testing.assert_allclose(found.personal[late], expected, rtol=1e-12)


def test_a_straggler_takes_part_of_both_works() -> None:
    partial = Stragglers(share=1.0, late="partial")
    settings = {**SETTINGS, "num_rounds": 1, "local_epochs": 10}
    slow, whole = (
        ditto(
            LeastSquares(2),
            lines(),
            np.zeros(2),
            proximal_weight=0.0,
            systems=systems,
            **settings,  # type: ignore[arg-type]
        )
        for systems in (partial, None)
    )
    assert (np.linalg.norm(slow.personal, axis=1) < np.linalg.norm(whole.personal, axis=1)).all()
    assert sum(slow.history.num_steps[0].values()) < 30


def test_at_the_minimum_nothing_is_done() -> None:
    client = Client(np.ones((1, 2)), np.array([3.0]))
    center = np.array([1.0, 2.0])
    found = personal_model(LeastSquares(2), client, center, 5.0)
    assert (found == center).all()
    assert found is not center


@pytest.mark.parametrize("seed", range(12))
def test_the_tolerance_is_reached_where_losses_differ_by_rounding_only(seed: int) -> None:
    """A loss of 5000 + x² has no digits left for x < 1e-7; its slope has."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((20, 5)) * np.geomspace(1, 30, 5)
    client, model = Client(X, 100 + 10 * rng.standard_normal(20)), LeastSquares(5, penalty=1e-3)
    found = personal_model(model, client, np.zeros(5), 0.0, max_steps=500)
    assert np.linalg.norm(model.gradient(found, client.X, client.y)) <= 1e-8


def test_a_minimum_that_the_last_step_reaches_is_found() -> None:
    """From 4 the first step of w²/2 is all the way."""
    client = Client(np.ones((1, 1)), np.zeros(1))
    found = personal_model(LeastSquares(1), client, np.array([4.0]), 0.0, max_steps=1)
    assert found.tolist() == [0.0]


def test_a_gradient_that_is_nan_is_not_small() -> None:
    client = Client(np.ones((1, 1)), np.zeros(1))
    with pytest.raises(ValueError, match="it is still nan"):
        personal_model(LeastSquares(1), client, np.array([np.nan]), 0.0, max_steps=2)


def test_steps_that_overshoot_are_halved() -> None:
    """From zero the first step is the gradient, 1e4 times too long here."""
    client = Client(np.full((2, 1), 100.0), np.array([100.0, 300.0]))
    model, zero = LeastSquares(1), np.zeros(1)
    slope = model.gradient(zero, client.X, client.y)
    moved = module._descended(model, client, zero, slope, -slope)
    assert model.loss(moved, client.X, client.y) < model.loss(zero, client.X, client.y)
    assert personal_model(LeastSquares(1), client, np.zeros(1), 0.0) == pytest.approx([2.0])


# --- error ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"proximal_weight": -1.0}, "proximal_weight must be finite and >= 0, got -1.0"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0, got 0.0"),
        ({"num_rounds": 0}, "num_rounds must be an integer >= 1, got 0"),
        ({"clients": []}, "clients must hold at least one client, got none"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, object], message: str) -> None:
    arguments = {
        "model": LeastSquares(2), "clients": lines(), "start": np.zeros(2),
        "proximal_weight": 1.0, **SETTINGS,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        ditto(**{**arguments, **changed})  # type: ignore[arg-type]


def test_classes_that_a_plane_separates_have_no_model_without_a_penalty() -> None:
    client = Client(np.array([[1.0], [-1.0]]), np.array([0, 1]))
    model = SoftmaxRegression(1, 2)
    with pytest.raises(ValueError, match="max_steps must suffice for a gradient of 1e-08, got 5"):
        personal_model(model, client, np.zeros(4), 0.0, max_steps=5)
    assert np.isfinite(personal_model(model, client, np.zeros(4), 0.1)).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"proximal_weight": -1.0}, "proximal_weight must be finite and >= 0, got -1.0"),
        ({"tolerance": 0.0}, "tolerance must be finite and > 0, got 0.0"),
        ({"max_steps": 0}, "max_steps must be an integer >= 1, got 0"),
    ],
)
def test_bad_settings_of_a_personal_model_are_refused(
    changed: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        personal_model(
            LeastSquares(2),
            lines()[0],
            np.zeros(2),
            **{"proximal_weight": 1.0, **changed},  # type: ignore[arg-type]
        )


def test_personal_weights_that_run_away_cost_the_update_and_are_not_kept() -> None:
    solver = DittoSgd(LocalSgd(200, None, 1.0), 1e3, np.ones(2))
    client = lines()[0]
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match="personal weights must be finite, they are not"),
    ):
        solver(LeastSquares(2), client, np.zeros(2), np.random.default_rng(0), 1.0, ClientState())
    assert solver.personal == {}
