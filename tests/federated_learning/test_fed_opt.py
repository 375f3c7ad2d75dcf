"""Server optimizers: FedAvgM, FedAdagrad, FedYogi, FedAdam."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mlsys_lib.federated_learning import fed_opt
from mlsys_lib.federated_learning.aggregation import MeanByExamples, PlainMean, Update
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.fed_opt import (
    RULES,
    AdaptiveServer,
    ServerMomentum,
    ServerRule,
    fedavgm,
    fedopt,
)
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares
from mlsys_lib.federated_learning.rounds import History, federate
from mlsys_lib.federated_learning.sampling import Everyone
from mlsys_lib.optimizers import Adagrad, Adam, HeavyBall

rules = pytest.mark.parametrize("rule", RULES)
SETTINGS = {"local_epochs": 1, "batch_size": None, "learning_rate": 0.1}


def pair() -> list[Client]:
    x = np.ones((1, 1))
    return [Client(x, np.zeros(1)), Client(np.ones((3, 1)), np.full(3, 2.0))]


def rounds(count: int = 6, k: int = 4) -> list[list[Update]]:
    """Answers of three clients of unequal size in each round, whatever they were sent."""
    rng = np.random.default_rng(0)
    return [
        [Update(i, rng.standard_normal(k), 1 + i, 1, 1.0) for i in range(3)] for _ in range(count)
    ]


def walk(
    server: Callable[[np.ndarray, Sequence[Update], np.ndarray], np.ndarray],
) -> list[np.ndarray]:
    weights, seen = np.zeros(4), []
    for updates in rounds():
        weights = server(weights, updates, np.full(3, 1 / 3))
        seen.append(weights)
    return seen


# --- oracle -----------------------------------------------------------------------------------


def transcribed(rule: str, eta: float, b1: float, b2: float, tau: float) -> list[np.ndarray]:
    """Algorithm 2 of Reddi et al., coordinate by coordinate, with the plain mean."""
    x, m, v, seen = [0.0] * 4, [0.0] * 4, [tau**2] * 4, []
    for updates in rounds():
        for j in range(4):
            delta = sum(u.weights[j] - x[j] for u in updates) / 3
            m[j] = b1 * m[j] + (1 - b1) * delta
            if rule == "adagrad":
                v[j] = v[j] + delta**2
            elif rule == "yogi":
                sign = 1.0 if v[j] > delta**2 else -1.0
                v[j] = v[j] - (1 - b2) * delta**2 * sign
            else:
                v[j] = b2 * v[j] + (1 - b2) * delta**2
            x[j] = x[j] + eta * m[j] / (v[j] ** 0.5 + tau)
        seen.append(np.array(x))
    return seen


def is_published(rule: ServerRule, **changed: object) -> bool:
    settings = {"learning_rate": 0.3, "decays": (0.8, 0.6), "eps": 0.05, "mean": PlainMean()}
    got = walk(AdaptiveServer(rule, **{**settings, **changed}))  # type: ignore[arg-type]
    expected = transcribed(rule, 0.3, 0.8, 0.6, 0.05)
    return bool(np.allclose(got, expected, rtol=1e-12, atol=1e-14))


@rules
def test_it_is_algorithm_2_of_the_paper(rule: ServerRule) -> None:
    assert is_published(rule)


def drop_sign(server: AdaptiveServer) -> None:
    right = server._mean
    server._mean = lambda w, updates, p: 2 * w - right(w, updates, p)


@rules
@pytest.mark.parametrize(
    "changed",
    [
        {"initial_accumulator": 0.0},
        {"mean": MeanByExamples()},
        {"decays": (0.6, 0.8)},
        {"decays": (0.0, 0.6)},
    ],
    ids=["v starts at 0", "by examples", "decays swapped", "no momentum"],
)
def test_another_rule_is_noticed(rule: ServerRule, changed: dict[str, object]) -> None:
    assert not is_published(rule, **changed)


def test_without_bias_correction_it_is_the_librarys_adam() -> None:
    """They agree once v starts at 0 there too; with the correction, Adam's steps differ."""
    server = AdaptiveServer(
        "adam", learning_rate=0.3, decays=(0.8, 0.6), eps=0.05, initial_accumulator=0.0
    )
    plain, corrected = (np.zeros(4) for _ in "ab")
    one = Adam([plain], learning_rate=0.3, decays=(0.8, 0.6), eps=0.05, bias_correction=False)
    other = Adam([corrected], learning_rate=0.3, decays=(0.8, 0.6), eps=0.05)
    weights = np.zeros(4)
    for updates in rounds():
        mean = MeanByExamples()
        one.step([plain - mean(plain, updates, np.ones(3))])
        other.step([corrected - mean(corrected, updates, np.ones(3))])
        weights = server(weights, updates, np.ones(3))
        np.testing.assert_allclose(weights, plain, rtol=1e-12)
    assert np.abs(weights - corrected).max() > 0.01


def test_without_momentum_adagrad_is_the_librarys() -> None:
    server = AdaptiveServer("adagrad", learning_rate=0.3, decays=(0.0, 0.0), eps=0.05)
    expected = np.zeros(4)
    optimizer = Adagrad([expected], learning_rate=0.3, eps=0.05, initial_accumulator=0.05**2)
    weights = np.zeros(4)
    for updates in rounds():
        optimizer.step([expected - MeanByExamples()(expected, updates, np.ones(3))])
        weights = server(weights, updates, np.ones(3))
        np.testing.assert_allclose(weights, expected, rtol=1e-12)


def test_momentum_on_the_server_is_the_librarys_heavy_ball() -> None:
    server, expected = ServerMomentum(0.3, 0.7), np.zeros(4)
    optimizer, weights = HeavyBall([expected], learning_rate=0.3, momentum=0.7), np.zeros(4)
    for updates in rounds():
        optimizer.step([expected - MeanByExamples()(expected, updates, np.ones(3))])
        weights = server(weights, updates, np.ones(3))
        np.testing.assert_allclose(weights, expected, rtol=1e-12)


# --- law --------------------------------------------------------------------------------------


def with_server(server: ServerMomentum | AdaptiveServer) -> History:
    return federate(
        LeastSquares(1), pair(), np.zeros(1), num_rounds=5, sampling=Everyone(),
        local_solver=LocalSgd(1, None, 0.1), aggregation=server,
    )  # fmt: skip


def test_fedavgm_is_the_round_loop_with_its_server() -> None:
    run = fedavgm(
        LeastSquares(1), pair(), np.zeros(1), num_rounds=5, server_learning_rate=0.3,
        momentum=0.7, **SETTINGS,  # type: ignore[arg-type]
    )  # fmt: skip
    assert np.array_equal(run.weights, with_server(ServerMomentum(0.3, 0.7)).weights)


@rules
def test_fedopt_is_the_round_loop_with_its_server(rule: ServerRule) -> None:
    run = fedopt(
        LeastSquares(1), pair(), np.zeros(1), rule, num_rounds=5, server_learning_rate=0.3,
        decays=(0.8, 0.6), eps=0.05, **SETTINGS,  # type: ignore[arg-type]
    )  # fmt: skip
    server = AdaptiveServer(rule, learning_rate=0.3, decays=(0.8, 0.6), eps=0.05)
    assert np.array_equal(run.weights, with_server(server).weights)


def test_momentum_of_zero_is_fedavg() -> None:
    one = fedavgm(
        LeastSquares(1),
        pair(),
        np.zeros(1),
        num_rounds=5,
        momentum=0.0,
        **SETTINGS,  # type: ignore[arg-type]
    )
    other = fedavg(LeastSquares(1), pair(), np.zeros(1), num_rounds=5, **SETTINGS)  # type: ignore[arg-type]
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-14)


@rules
def test_it_ends_at_the_minimum_and_with_the_sign_lost_runs_away(
    rule: ServerRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The minimum is 1.5, by examples. Planted: the move taken for a gradient, and descended."""

    def end() -> float:
        run = fedopt(
            LeastSquares(1), pair(), np.zeros(1), rule, num_rounds=400,
            server_learning_rate=0.1, decays=(0.5, 0.9), **SETTINGS,  # type: ignore[arg-type]
        )  # fmt: skip
        return float(run.final[0])

    assert end() == pytest.approx(1.5, abs=0.03)
    right = AdaptiveServer.__init__

    def wrong(self: AdaptiveServer, *args: object, **kwargs: object) -> None:
        right(self, *args, **kwargs)  # type: ignore[arg-type]
        drop_sign(self)

    monkeypatch.setattr(AdaptiveServer, "__init__", wrong)
    assert end() < -1


@rules
def test_the_size_of_the_moves_hardly_matters(rule: ServerRule) -> None:
    """What the rules are for: coordinates that move little get steps as long as the others."""
    weights, sizes = np.zeros(2), np.array([100.0, 0.1])
    server = AdaptiveServer(rule, learning_rate=0.1, decays=(0.0, 0.0), eps=1e-6)
    weights = server(weights, [Update(0, sizes, 1, 1, 1.0)], np.ones(1))
    np.testing.assert_allclose(weights, [0.1, 0.1], rtol=1e-4)


def test_yogi_lets_go_of_large_squares_slower_than_adam() -> None:
    """v falls by (1 - δ₂) Δ² in Yogi, by (1 - δ₂) (v - Δ²) in Adam."""
    seconds = {}
    for rule in ("adam", "yogi"):
        server = AdaptiveServer(rule, learning_rate=1e-9, decays=(0.0, 0.9), eps=1e-6)  # type: ignore[arg-type]
        for size in (10.0, 0.1, 0.1, 0.1):
            server(np.zeros(1), [Update(0, np.array([size]), 1, 1, 1.0)], np.ones(1))
        seconds[rule] = float(np.asarray(server.second_moment)[0])
    assert seconds["yogi"] > seconds["adam"] * 1.3


def test_messages_are_fedavgs() -> None:
    plain = fedavg(LeastSquares(1), pair(), np.zeros(1), num_rounds=3, **SETTINGS)  # type: ignore[arg-type]
    adam = fedopt(
        LeastSquares(1), pair(), np.zeros(1), "adam", num_rounds=3, server_learning_rate=0.1,
        **SETTINGS,  # type: ignore[arg-type]
    )  # fmt: skip
    assert (adam.up_bytes == plain.up_bytes).all()
    assert (adam.down_bytes == plain.down_bytes).all()


# --- edge -------------------------------------------------------------------------------------


@rules
def test_clients_that_did_not_move_move_nothing_and_zeros_divide_nothing(rule: ServerRule) -> None:
    weights = np.array([1.0, -2.0])
    still = [Update(0, weights.copy(), 1, 1, 0.0)]
    server = AdaptiveServer(rule, learning_rate=0.1, initial_accumulator=0.0)
    assert (server(weights, still, np.ones(1)) == weights).all()
    assert (ServerMomentum()(weights, still, np.ones(1)) == weights).all()
    assert weights.tolist() == [1.0, -2.0]


def test_servers_do_not_share_their_state() -> None:
    update = [Update(0, np.ones(1), 1, 1, 1.0)]
    one, other = (AdaptiveServer("adam", learning_rate=0.1) for _ in "ab")
    one(np.zeros(1), update, np.ones(1))
    assert other.first_moment == 0.0


# --- error ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rule": "sgd"}, "rule must be one of 'adagrad', 'yogi', 'adam', got 'sgd'"),
        ({"server_learning_rate": 0.0}, "server_learning_rate must be finite and > 0, got 0.0"),
        ({"decays": (1.0, 0.9)}, r"decays\[0\] must be in \[0, 1\), got 1.0"),
        ({"eps": 0.0}, "eps must be finite and > 0, got 0.0"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0, got 0.0"),
        ({"client_fraction": 2.0}, r"fraction must be in \(0, 1\], got 2.0"),
    ],
)
def test_bad_input_is_refused(
    changed: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fed_opt.AdaptiveServer, "__call__", lambda *_: pytest.fail("a round"))
    arguments = {
        "model": LeastSquares(1), "clients": pair(), "start": np.zeros(1), "rule": "adam",
        "num_rounds": 2, "server_learning_rate": 0.1, **SETTINGS,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        fedopt(**{**arguments, **changed})  # type: ignore[arg-type]


def test_bad_servers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1.0"):
        ServerMomentum(momentum=1.0)
    with pytest.raises(ValueError, match=r"initial_accumulator must be finite and >= 0, got -1\.0"):
        AdaptiveServer("adam", learning_rate=0.1, initial_accumulator=-1.0)
