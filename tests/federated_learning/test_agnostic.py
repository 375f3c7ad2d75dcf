"""Agnostic federated learning: the weights whose worst client is best off."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from mlsys_lib.federated_learning import agnostic
from mlsys_lib.federated_learning.agnostic import minimax_weights, worst_mixture
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.objective import client_gradients, client_losses
from mlsys_lib.federated_learning.qffl import qffl_loss

NOISE = np.sqrt([0.2, 0.2]) * [1, -1]


def pair() -> list[Client]:
    """w²/2 + 0.1 and 2(w - 1)² + 0.1."""
    return [Client(np.ones((2, 1)), NOISE), Client(2 * np.ones((2, 1)), 2 + NOISE)]


def labelled(m: int = 5, seed: int = 0) -> tuple[SoftmaxRegression, list[Client]]:
    rng = np.random.default_rng(seed)
    clients = [
        Client(rng.standard_normal((20 + i, 3)), rng.integers(0, 3, 20 + i)) for i in range(m)
    ]
    return SoftmaxRegression(3, 3, penalty=0.01), clients


# --- oracle -----------------------------------------------------------------------------------


def test_two_parabolas_meet_at_two_thirds() -> None:
    found = minimax_weights(LeastSquares(1), pair(), np.zeros(1))
    assert found.weights == pytest.approx([2 / 3], abs=1e-7)
    assert found.losses == pytest.approx([0.3222, 0.3222], abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_scipy_finds_no_lower_maximum(seed: int) -> None:
    """As min t subject to F_i(w) <= t, by sequential quadratic programming."""
    model, clients = labelled(seed=seed)
    k = model.num_weights
    start = np.append(np.zeros(k), 2.0)
    other = minimize(
        lambda v: v[k],
        start,
        jac=lambda v: np.append(np.zeros(k), 1.0),
        constraints={
            "type": "ineq",
            "fun": lambda v: v[k] - client_losses(model, v[:k], clients),
            "jac": lambda v: np.column_stack(
                [-client_gradients(model, v[:k], clients), np.ones(len(clients))]
            ),
        },
        options={"ftol": 1e-12, "maxiter": 500},
    )
    found = minimax_weights(model, clients, np.zeros(k))
    assert found.losses.max() == pytest.approx(
        client_losses(model, other.x[:k], clients).max(), abs=1e-7
    )


def is_best_mixture(solver: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> bool:
    """On random programs, many of them singular: no client would raise the value."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        m, r = rng.integers(1, 9), rng.integers(1, 6)
        factor = rng.standard_normal((m, r))
        losses, products = rng.standard_normal(m), factor @ factor.T
        mixture = solver(losses, products)
        gains = losses - products @ mixture
        if mixture.min() < 0 or abs(mixture.sum() - 1) > 1e-12:
            return False
        if gains.max() - mixture @ gains > 1e-9:
            return False
    return True


def test_the_mixture_is_the_best_of_the_simplex() -> None:
    assert is_best_mixture(worst_mixture)


def all_alike(losses: np.ndarray, products: np.ndarray) -> np.ndarray:
    return np.full(len(losses), 1 / len(losses))


def only_the_worst(losses: np.ndarray, products: np.ndarray) -> np.ndarray:
    return np.asarray((np.arange(len(losses)) == losses.argmax()).astype(float))


def cut_off_at_zero(losses: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Solve with any signs, cut off, divide by the sum."""
    system = np.ones((len(losses) + 1,) * 2)
    system[:-1, :-1], system[-1, -1] = products + 1e-9 * np.eye(len(losses)), 0
    mixture = np.maximum(np.linalg.solve(system, np.append(losses, 1.0))[:-1], 0)
    return np.asarray(mixture / mixture.sum())


@pytest.mark.parametrize("wrong", [all_alike, only_the_worst, cut_off_at_zero])
def test_a_wrong_mixture_is_noticed(
    wrong: Callable[[np.ndarray, np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_best_mixture(wrong)
    if wrong is all_alike:  # then it solves the usual problem
        monkeypatch.setattr(agnostic, "worst_mixture", wrong)
        found = minimax_weights(LeastSquares(1), pair(), np.zeros(1))
        assert found.weights == pytest.approx([0.8])


# --- law --------------------------------------------------------------------------------------


def test_at_the_minimax_the_mixtures_gradient_vanishes_and_only_the_worst_count() -> None:
    model, clients = labelled()
    found = minimax_weights(model, clients, np.zeros(model.num_weights))
    gradients = client_gradients(model, found.weights, clients)
    assert np.linalg.norm(found.mixture @ gradients) < 1e-7
    assert found.mixture.sum() == pytest.approx(1)
    slack = found.losses.max() - found.losses
    assert slack[found.mixture > 1e-6].max() < 1e-7
    assert (found.losses == client_losses(model, found.weights, clients)).all()


def test_the_worst_loss_is_never_below_that_of_any_mixture() -> None:
    """Weak duality: min over w of Σ p_i F_i <= min over w of max F_i, for every p."""
    clients = pair()
    worst = minimax_weights(LeastSquares(1), clients, np.zeros(1)).losses.max()
    for share in np.linspace(0, 1, 11):
        mixed = minimize_scalar(
            lambda w, p=(share, 1 - share): (
                p @ client_losses(LeastSquares(1), np.array([w]), clients)
            )
        ).fun
        assert mixed <= worst + 1e-9


def test_the_minimum_of_q_ffl_tends_to_it() -> None:
    shares = np.array([0.9, 0.1])

    def best(q: float) -> float:
        def value(w: float) -> float:
            losses = client_losses(LeastSquares(1), np.array([w]), pair())
            return float(np.log(qffl_loss(losses / 0.3222, shares, q)))

        return float(minimize_scalar(value, bounds=(0, 1), options={"xatol": 1e-10}).x)

    apart = [2 / 3 - best(q) for q in (0, 1, 5, 20, 100, 500)]
    assert 2 / 3 - apart[0] == pytest.approx(0.3077, abs=1e-4)
    assert 2 / 3 - apart[1] == pytest.approx(0.5177, abs=1e-4)
    assert (np.diff(apart) < 0).all()
    assert 0 < apart[-1] < 2e-3


# --- edge -------------------------------------------------------------------------------------


def test_one_client_gets_its_own_minimum() -> None:
    found = minimax_weights(LeastSquares(1), pair()[1:], np.zeros(1))
    assert found.weights == pytest.approx([1.0])
    assert found.mixture.tolist() == [1.0]


def test_equal_clients_count_as_one() -> None:
    one = minimax_weights(LeastSquares(1), pair(), np.zeros(1))
    many = minimax_weights(LeastSquares(1), pair() * 3, np.zeros(1))
    assert many.weights == pytest.approx(one.weights, abs=1e-6)


def test_a_client_that_is_always_better_off_has_no_say() -> None:
    easy = Client(np.ones((1, 1)) * 0.01, np.zeros(1))
    found = minimax_weights(LeastSquares(1), [*pair(), easy], np.zeros(1))
    assert found.weights == pytest.approx([2 / 3], abs=1e-7)
    assert found.mixture[2] == 0


def test_a_start_at_the_minimum_takes_one_step_and_is_not_modified() -> None:
    start = np.array([1.0])
    found = minimax_weights(LeastSquares(1), pair()[1:], start)
    assert found.num_steps == 1
    assert start.tolist() == [1.0]
    assert found.weights is not start


# --- error ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"clients": []}, "clients must hold at least one client, got none"),
        ({"start": np.zeros(2)}, "start must be 1 finite numbers"),
        ({"start": np.array([np.nan])}, "start must be 1 finite numbers"),
        ({"tolerance": 0.0}, "tolerance must be finite and > 0, got 0.0"),
        ({"max_steps": 0}, "max_steps must be an integer >= 1, got 0"),
        ({"max_steps": 2}, "max_steps must suffice for a residual of 1e-08, got 2"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, object], message: str) -> None:
    arguments = {"model": LeastSquares(1), "clients": pair(), "start": np.array([9.0])}
    with pytest.raises(ValueError, match=message):
        minimax_weights(**{**arguments, **changed})  # type: ignore[arg-type]
