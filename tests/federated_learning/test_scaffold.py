"""SCAFFOLD: control variates take client drift away."""

import importlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mlsys_lib.comm import Communicator
from mlsys_lib.federated_learning.aggregation import Update
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.local import ClientState, LearningRate, LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.objective import client_gradients, federated_gradient
from mlsys_lib.federated_learning.rounds import History
from mlsys_lib.federated_learning.scaffold import ControlledMean, ControlledSgd, scaffold
from mlsys_lib.federated_learning.systems import lognormal_devices
from mlsys_lib.federated_learning.workers import HEADER_BYTES, RankWorkers
from tests.conftest import Machine
from tests.federated_learning.quadratics import decaying

module = importlib.import_module("mlsys_lib.federated_learning.scaffold")  # not the function

SLOPE = np.sqrt([[10.0]])
SETTINGS = {"num_rounds": 300, "local_epochs": 20, "batch_size": None, "learning_rate": 0.05}


def pair() -> list[Client]:
    """w²/2 and 5 (w - 1)²: the minimum of the mean is 10/11."""
    return [Client(np.ones((1, 1)), np.zeros(1)), Client(SLOPE, SLOPE[0])]


def labelled(m: int = 4) -> tuple[SoftmaxRegression, list[Client]]:
    """Clients of unequal sizes that each see their own corner."""
    rng = np.random.default_rng(0)
    clients = []
    for i in range(m):
        X = rng.standard_normal((8 + 4 * i, 2)) + 2 * rng.standard_normal(2)
        clients.append(Client(X, (X[:, 0] > X[:, 1]).astype(int)))
    return SoftmaxRegression(2, 2, penalty=0.3), clients


def run(**changed: object) -> History:
    arguments = {"model": LeastSquares(1), "clients": pair(), "start": np.zeros(1), **SETTINGS}
    return scaffold(**{**arguments, **changed})  # type: ignore[arg-type]


# --- oracle -----------------------------------------------------------------------------------


def transcribed(
    clients: Sequence[Client],
    samples: Sequence[Sequence[int]],
    K: int,
    rate: LearningRate,
    eta_g: float,
) -> list[float]:
    """Algorithm 1 with option II, for numbers, whole gradients and clients of equal size."""
    w, c, own, seen = 0.0, 0.0, [0.0] * len(clients), [0.0]
    for t, sample in enumerate(samples):
        eta = rate(t) if callable(rate) else rate
        moves, changes = 0.0, 0.0
        for i in sample:
            y = w
            for _ in range(K):
                X, target = clients[i].X[:, 0], clients[i].y
                y -= eta * (float(np.mean(X * (X * y - target))) - own[i] + c)
            new = own[i] - c + (w - y) / (K * eta)
            moves, changes = moves + y - w, changes + new - own[i]
            own[i] = new
        w += eta_g * moves / len(sample)
        c += changes / len(clients)
        seen.append(w)
    return seen


@pytest.mark.parametrize("fraction", [1.0, 0.5])
@pytest.mark.parametrize("eta_g", [1.0, 0.7])
@pytest.mark.parametrize("rate", [0.05, decaying])
def test_it_is_the_published_algorithm(fraction: float, eta_g: float, rate: LearningRate) -> None:
    rng = np.random.default_rng(1)
    clients = [Client(rng.standard_normal((3, 1)), rng.standard_normal(3)) for _ in range(4)]
    got = run(
        clients=clients, num_rounds=12, local_epochs=5, server_learning_rate=eta_g,
        client_fraction=fraction, learning_rate=rate,
    )  # fmt: skip
    expected = transcribed(clients, got.sampled, 5, rate, eta_g)
    np.testing.assert_allclose(got.weights[:, 0], expected, rtol=1e-12)


# --- law --------------------------------------------------------------------------------------


def test_it_ends_at_the_minimum_where_fedavg_drifts() -> None:
    """Reference case: E = 20 takes FedAvg to 0.609193 and not to 0.909091."""
    drifted = fedavg(LeastSquares(1), pair(), np.zeros(1), **SETTINGS)  # type: ignore[arg-type]
    assert drifted.final[0] == pytest.approx(0.609193, abs=1e-6)
    assert run().final[0] == pytest.approx(10 / 11, abs=1e-9)


def test_it_ends_at_the_minimum_with_unequal_clients_and_few_of_them_in_a_round() -> None:
    model, clients = labelled()
    got = scaffold(
        model, clients, np.zeros(6), num_rounds=500, local_epochs=5, batch_size=None,
        learning_rate=0.05, client_fraction=0.5,
    )  # fmt: skip
    assert np.linalg.norm(federated_gradient(model, got.final, clients)) < 1e-6


def test_in_the_end_controls_are_gradients_and_the_servers_is_their_mean() -> None:
    model, clients = labelled()
    solver, server = ControlledSgd(LocalSgd(5, None, 0.1)), ControlledMean(np.zeros(6))
    shares = np.array([c.num_examples for c in clients]) / sum(c.num_examples for c in clients)
    states, weights = [ClientState() for _ in clients], np.zeros(6)
    for _ in range(300):
        got = []
        for i, (client, state) in enumerate(zip(clients, states, strict=True)):
            state.server_control = server.control
            local, steps = solver(model, client, weights, np.random.default_rng(0), 1.0, state)
            got.append(Update(i, local, client.num_examples, steps, 0.0, state.sent_control))
        weights = server(weights, got, shares)
        own = np.array([state.memory["control"] for state in states])
        np.testing.assert_allclose(server.control, shares @ own, atol=1e-12)
    np.testing.assert_allclose(own, client_gradients(model, weights, clients), atol=1e-7)
    assert np.linalg.norm(server.control) < 1e-7


def test_the_first_round_is_fedavgs() -> None:
    model, clients = labelled()
    settings = {"num_rounds": 1, "local_epochs": 2, "batch_size": 4, "learning_rate": 0.1}
    one, other = (
        f(model, clients, np.zeros(6), **settings)  # type: ignore[operator]
        for f in (scaffold, fedavg)
    )
    np.testing.assert_allclose(one.final, other.final, rtol=1e-12)


def test_messages_are_twice_those_of_fedavg_in_both_directions() -> None:
    plain = fedavg(LeastSquares(1), pair(), np.zeros(1), **SETTINGS)  # type: ignore[arg-type]
    got = run()
    assert (got.down_bytes == 2 * plain.down_bytes).all()
    assert (got.up_bytes == 2 * plain.up_bytes).all()
    assert got.up_bytes[0] == 2 * 2 * 8


def test_rounds_take_the_time_of_two_vectors() -> None:
    """Two clients of one example: 2 α + 20 n / speed, and 8 or 16 bytes down and up."""
    devices = lognormal_devices(
        2, spread=0.0, examples_per_s=10.0, down_bytes_per_s=4.0, up_bytes_per_s=2.0, latency_s=0.5
    )
    settings = {**SETTINGS, "num_rounds": 2, "systems": devices}
    plain = fedavg(LeastSquares(1), pair(), np.zeros(1), **settings)  # type: ignore[arg-type]
    np.testing.assert_allclose(plain.round_s, 1 + 2 + 8 / 4 + 8 / 2)
    np.testing.assert_allclose(run(**settings).round_s, 1 + 2 + 16 / 4 + 16 / 2)


class SignLost(ControlledSgd):
    """Planted: c_i - c is added instead of c - c_i."""

    def __call__(self, model, client, weights, rng, work, state):  # type: ignore[no-untyped-def]
        common, own = state.server_control, state.memory.get("control", np.zeros_like(weights))
        local, steps = self.sgd(
            module._Corrected(model, own - common), client, weights, rng, work, state
        )
        change = (weights - local) / (steps * self.sgd.rate(state.round)) - common
        state.memory["control"], state.sent_control = own + change, change
        return local, steps


class ServerForgets(ControlledMean):
    """Planted: the server's control stays as it was."""

    def __call__(self, weights, updates, client_weights):  # type: ignore[no-untyped-def]
        before = self.control
        new = super().__call__(weights, updates, client_weights)
        self.control = before
        return new


class OverTheSampleOnly(ControlledMean):
    """Planted: the mean of the changes over the sampled clients, not over all."""

    def __call__(self, weights, updates, client_weights):  # type: ignore[no-untyped-def]
        before = self.control
        new = super().__call__(weights, updates, client_weights)
        share = client_weights[[u.client for u in updates]].sum()
        self.control = before + (self.control - before) / share
        return new


@pytest.mark.parametrize(
    ("name", "wrong"), [("ControlledSgd", SignLost), ("ControlledMean", ServerForgets)]
)
def test_a_wrong_control_is_noticed(
    name: str, wrong: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, wrong)
    try:
        end = run().final[0]
    except ValueError:  # it ran away
        return
    assert abs(end - 10 / 11) > 1e-3


def test_a_mean_over_the_sample_only_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    clients = [Client(rng.standard_normal((3, 1)), rng.standard_normal(3)) for _ in range(4)]
    settings = {"clients": clients, "num_rounds": 12, "local_epochs": 5, "client_fraction": 0.5}
    right = run(**settings)
    monkeypatch.setattr(module, "ControlledMean", OverTheSampleOnly)
    wrong = run(**settings)
    assert right.sampled == wrong.sampled
    assert abs(right.final[0] - wrong.final[0]) > 1e-4


def on_ranks(comm: Communicator) -> History:
    model, clients = labelled()
    return scaffold(
        model, clients, np.zeros(6), num_rounds=3, local_epochs=2, batch_size=4,
        learning_rate=0.1, client_fraction=0.5, workers=RankWorkers(comm),
    )  # fmt: skip


def test_ranks_give_the_same_bits_and_the_bytes_that_are_stated(several: Machine) -> None:
    model, clients = labelled()
    here = scaffold(
        model, clients, np.zeros(6), num_rounds=3, local_epochs=2, batch_size=4,
        learning_rate=0.1, client_fraction=0.5,
    )  # fmt: skip
    there = several.run(on_ranks)
    assert (there.results[0].weights == here.weights).all()
    assert (there.results[0].up_bytes == here.up_bytes).all()
    visits = sum(map(len, here.sampled))
    sent = there.ledger.total_bytes
    stops = (several.world_size - 1) * HEADER_BYTES
    assert sent == visits * 2 * (2 * 6 * 8 + HEADER_BYTES) + stops


# --- edge -------------------------------------------------------------------------------------


def test_one_client_is_gradient_descent() -> None:
    """c equals c_i, so that the correction vanishes."""
    client = pair()[1]
    got = run(clients=[client], num_rounds=5, local_epochs=3)
    w, seen = 0.0, []
    for step in range(1, 16):
        w -= 0.05 * 10 * (w - 1)
        if step % 3 == 0:
            seen.append(w)
    np.testing.assert_allclose(got.weights[1:, 0], seen, rtol=1e-10)


def test_a_straggler_divides_by_the_steps_that_it_took() -> None:
    """From controls of zero, c_i⁺ is the mean of the gradients on the way: 3 of 6 steps here."""
    model, client, state = LeastSquares(1), pair()[1], ClientState(server_control=np.zeros(1))
    local, num_steps = ControlledSgd(LocalSgd(6, None, 0.05))(
        model, client, np.zeros(1), np.random.default_rng(0), 0.5, state
    )
    assert num_steps == 3
    np.testing.assert_allclose(state.memory["control"], -local / (3 * 0.05))
    w, gradients = 0.0, []
    for _ in range(3):
        gradients.append(10 * (w - 1))
        w -= 0.05 * gradients[-1]
    np.testing.assert_allclose(state.memory["control"], np.mean(gradients))


def test_clients_that_agree_are_not_corrected_away() -> None:
    same = [pair()[1]] * 3
    assert run(clients=same).final[0] == pytest.approx(1.0)


def test_a_client_whose_numbers_overflow_keeps_its_control_and_costs_only_its_update() -> None:
    steep = Client(np.full((1, 1), 1e100), np.zeros(1))
    got = run(clients=[*pair(), steep], start=np.ones(1), num_rounds=3)
    assert np.isfinite(got.weights).all()
    assert set(got.lost[0]) == {2}
    assert "control must be finite" in got.lost[0][2]
    state = ClientState(server_control=np.zeros(1))
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match="control must be finite"),
    ):
        ControlledSgd(LocalSgd(20, None, 0.05))(
            LeastSquares(1), steep, np.ones(1), np.random.default_rng(0), 1.0, state
        )
    assert state.memory == {}


# --- error ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"server_learning_rate": 0.0}, "server_learning_rate must be finite and > 0, got 0.0"),
        ({"learning_rate": -1.0}, "learning_rate must be finite and > 0, got -1.0"),
        ({"local_epochs": 0}, "local_epochs must be an integer >= 1, got 0"),
        ({"client_fraction": 0.0}, r"fraction must be in \(0, 1\], got 0.0"),
        ({"clients": []}, "clients must hold at least one client, got none"),
        ({"start": np.zeros(3)}, r"start must have shape \(1,\), got \(3,\)"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(**changed)


def test_controls_that_are_missing_are_refused() -> None:
    with pytest.raises(ValueError, match="server_control must be sent with the weights, got none"):
        ControlledSgd(LocalSgd(1, None, 0.1))(
            LeastSquares(1), pair()[0], np.zeros(1), np.random.default_rng(0), 1.0, ClientState()
        )
    server = ControlledMean(np.zeros(1))
    update = Update(0, np.ones(1), 1, 1, 0.0, control=np.ones(1))
    with pytest.raises(ValueError, match="each update must have a control, one has none"):
        server(np.zeros(1), [update, replace(update, client=1, control=None)], np.full(2, 0.5))
    assert server.control.tolist() == [0.0]


def test_a_client_that_is_in_a_round_twice_is_refused_and_changes_nothing() -> None:
    """Its control changed once; added twice, c would not be the mean of the c_i."""
    server = ControlledMean(np.zeros(1))
    update = Update(0, np.ones(1), 1, 1, 0.0, control=np.ones(1))
    with pytest.raises(ValueError, match=r"updates must be of different clients, got \[0, 0\]"):
        server(np.zeros(1), [update, update], np.full(2, 0.5))
    assert server.control.tolist() == [0.0]
