"""The adapter on stand-ins for Flower's parts; the benchmark of this topic runs it in Flower."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.federated_learning.aggregation import MeanByExamples, PlainMean, Update
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.flower import (
    flower_arrays,
    flower_client_app,
    flower_server_app,
    flower_strategy,
)
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import SoftmaxRegression
from mlsys_lib.federated_learning.rounds import History, federate
from mlsys_lib.federated_learning.sampling import (
    Everyone,
    ProportionalWithReplacement,
    UniformWithoutReplacement,
)
from mlsys_lib.federated_learning.synthetic import synthetic


class Array:
    """Like Flower's: the bytes of an array, a copy on the way in and on the way out."""

    def __init__(self, values: np.ndarray) -> None:
        self._kept = (values.tobytes(), values.dtype.str, values.shape)

    def numpy(self) -> np.ndarray:
        raw, dtype, shape = self._kept
        return np.frombuffer(raw, dtype).reshape(shape)  # read-only, as there


@dataclass
class Message:
    """Like Flower's: content and addresses."""

    content: dict[str, Any]
    dst_node_id: int | None = None
    message_type: str = ""
    reply_to: "Message | None" = None
    error: str = ""
    metadata: Any = field(init=False)

    def __post_init__(self) -> None:
        sender = self.reply_to.dst_node_id if self.reply_to else None
        self.metadata = SimpleNamespace(src_node_id=sender)

    def has_error(self) -> bool:
        return bool(self.error)


class ClientApp:
    """Like Flower's: functions by the type of message."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[Message, Any], Message]] = {}

    def train(self) -> Callable[[Any], None]:
        return lambda function: self.functions.update(train=function)

    def query(self) -> Callable[[Any], None]:
        return lambda function: self.functions.update(query=function)


class ServerApp:
    """Like Flower's: its main function, for a grid and a context."""

    def main(self) -> Callable[[Any], None]:
        return lambda function: setattr(self, "run", function)


class Strategy:
    """Like Flower's `start`: ask, collect, aggregate; no arrays means that the old ones stay."""

    def start(self, grid: "Grid", arrays: Any, num_rounds: int) -> list[np.ndarray]:
        history = [arrays["weights"].numpy()]
        for server_round in range(1, num_rounds + 1):
            messages = self.configure_train(server_round, arrays, {}, grid)  # type: ignore[attr-defined]
            found, _ = self.aggregate_train(server_round, grid.send_and_receive(messages))  # type: ignore[attr-defined]
            arrays = arrays if found is None else found
            history.append(arrays["weights"].numpy())
            assert not list(self.configure_evaluate(server_round, arrays, {}, grid))  # type: ignore[attr-defined]
        return history


class Grid:
    """Nodes with numbers of their own, which answer in an order of their own."""

    def __init__(self, app: ClientApp, num_nodes: int) -> None:
        self._app = app
        self._partitions = {1000 + 7 * i: (i * 3 + 1) % num_nodes for i in range(num_nodes)}
        self.num_trained: list[int] = []

    def get_node_ids(self) -> Iterable[int]:
        return list(self._partitions)

    def send_and_receive(self, messages: Iterable[Message]) -> list[Message]:
        messages = list(messages)
        self.num_trained.append(len(messages))
        return [self._answer(message) for message in reversed(messages)]

    def _answer(self, message: Message) -> Message:
        assert message.dst_node_id is not None
        config = {"partition-id": self._partitions[message.dst_node_id]}
        try:
            function = self._app.functions[message.message_type]
            return function(message, SimpleNamespace(node_config=config))
        except Exception as error:
            return Message({}, reply_to=message, error=str(error))


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    app = {"Array": Array, "ArrayRecord": dict, "Message": Message}
    contents = {
        "flwr": {},
        "flwr.app": app | {"MetricRecord": dict, "RecordDict": dict},
        "flwr.clientapp": {"ClientApp": ClientApp},
        "flwr.serverapp": {"ServerApp": ServerApp},
        "flwr.serverapp.strategy": {"Strategy": Strategy},
    }
    for name, parts in contents.items():
        module = ModuleType(name)
        module.__dict__.update(parts)
        monkeypatch.setitem(sys.modules, name, module)


MODEL, START = SoftmaxRegression(60, 10), np.zeros(610)
CLIENTS = synthetic(1, 1, num_clients=7, log_size_std=0.7).train


def in_flower(
    sampling: Any, aggregation: Any, solver: Any, clients: Sequence[Client] = CLIENTS, seed: int = 3
) -> tuple[np.ndarray, Grid]:
    app = flower_client_app(MODEL, clients, solver, seed=seed)
    grid = Grid(app, len(clients))
    strategy = flower_strategy(sampling, aggregation, num_clients=len(clients), seed=seed)
    return np.array(strategy.start(grid, flower_arrays(START), num_rounds=4)), grid


def here(sampling: Any, aggregation: Any, solver: Any) -> History:
    return federate(
        MODEL,
        CLIENTS,
        START,
        num_rounds=4,
        sampling=sampling,
        local_solver=solver,
        aggregation=aggregation,
        seed=3,
    )


@pytest.mark.parametrize(
    ("sampling", "aggregation"),
    [
        (Everyone(), MeanByExamples()),
        (UniformWithoutReplacement(0.4), MeanByExamples()),
        (ProportionalWithReplacement(5), PlainMean()),
    ],
)
@pytest.mark.parametrize("proximal_weight", [0.0, 1.0])
def test_the_weights_of_every_round_are_those_of_federate(
    sampling: Any, aggregation: Any, proximal_weight: float
) -> None:
    """To the last bit, though nodes have other numbers and answer in another order."""
    solver = LocalSgd(2, 10, 0.05, proximal_weight)
    found, grid = in_flower(sampling, aggregation, solver)
    history = here(sampling, aggregation, solver)
    assert np.array_equal(found, history.weights)
    visited = [len(set(sampled)) for sampled in history.sampled]
    assert grid.num_trained == [len(CLIENTS), *visited]  # once it asks who they are


@pytest.mark.parametrize("wrong", ["order of arrival", "twice counts once", "rounds from one"])
def test_an_adapter_that_is_a_little_off_gives_other_weights(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted."""
    sampling, aggregation = ProportionalWithReplacement(5), PlainMean()
    solver = LocalSgd(1, 10, 0.05)
    off = {
        "order of arrival": (sampling, lambda w, u, p: aggregation(w, u[::-1], p)),
        "twice counts once": (
            sampling,
            lambda w, u, p: aggregation(w, list({x.client: x for x in u}.values()), p),
        ),
        "rounds from one": (
            lambda t, p, rng: sampling(t, p, np.random.default_rng([3, 0, t + 1, 0])),
            aggregation,
        ),
    }
    found, _ = in_flower(*off[wrong], solver)
    assert not np.array_equal(found, here(sampling, aggregation, solver).weights)


class FailsFor:
    """A local solver that raises for some clients, and sends what is not a number for others."""

    def __init__(self, raising: set[int], broken: set[int]) -> None:
        self._raising, self._broken, self._honest = raising, broken, LocalSgd(1, 10, 0.05)

    def __call__(self, model: Any, client: Client, *rest: Any) -> tuple[np.ndarray, int]:
        i = next(i for i, other in enumerate(CLIENTS) if other.X is client.X)
        if i in self._raising:
            raise RuntimeError("out of memory")
        weights, num_steps = self._honest(model, client, *rest)
        return (weights * np.nan, 1) if i in self._broken else (weights, num_steps)


def test_the_server_app_runs_the_strategy_for_its_rounds() -> None:
    pieces = Everyone(), MeanByExamples()
    solver = LocalSgd(1, 10, 0.1)
    strategy = flower_strategy(*pieces, num_clients=len(CLIENTS), seed=3)
    runs: list[Any] = []
    start = strategy.start
    strategy.start = lambda *args, **options: runs.append(start(*args, **options))
    server_app = flower_server_app(strategy, START, num_rounds=4)
    server_app.run(Grid(flower_client_app(MODEL, CLIENTS, solver, seed=3), len(CLIENTS)), None)
    assert np.array_equal(runs[0], here(*pieces, solver).weights)
    with pytest.raises(ValueError, match="num_rounds must be an integer >= 1, got 0"):
        flower_server_app(strategy, START, num_rounds=0)


def test_a_client_that_fails_costs_its_update_as_in_federate() -> None:
    solver = FailsFor({0, 4}, {2})
    found, _ = in_flower(Everyone(), MeanByExamples(), solver)
    history = here(Everyone(), MeanByExamples(), solver)
    assert np.array_equal(found, history.weights) and set(history.lost[0]) == {0, 2, 4}


def test_a_round_in_which_nobody_answers_keeps_the_weights() -> None:
    found, _ = in_flower(Everyone(), MeanByExamples(), FailsFor(set(range(7)), set()))
    assert np.array_equal(found, np.zeros((5, 610)))


def test_what_the_aggregation_sees_is_what_the_clients_did() -> None:
    seen: list[Update] = []

    def look(weights: np.ndarray, updates: list[Update], shares: np.ndarray) -> np.ndarray:
        seen.extend(updates)
        sizes = [client.num_examples for client in CLIENTS]
        np.testing.assert_array_equal(shares, np.array(sizes) / sum(sizes))
        return MeanByExamples()(weights, updates, shares)

    in_flower(Everyone(), look, LocalSgd(1, 10, 0.05))
    for update in seen[:7]:
        client = CLIENTS[update.client]
        assert update.num_examples == client.num_examples
        assert update.num_steps == -(-client.num_examples // 10)
        assert update.loss == MODEL.loss(START, client.X, client.y)


def everyone(num_clients: int, **options: Any) -> Any:
    return flower_strategy(Everyone(), MeanByExamples(), num_clients=num_clients, **options)


def test_nodes_that_are_not_the_clients_are_refused() -> None:
    grid = Grid(flower_client_app(MODEL, CLIENTS[:5], LocalSgd(1, 10, 0.05)), 7)
    with pytest.raises(ValueError, match=r"nodes must be clients 0…6, got \[0, 1, 2, 3, 4\]"):
        everyone(7).start(grid, flower_arrays(START), num_rounds=1)


def test_it_waits_for_nodes_that_come_late_and_not_for_ever() -> None:
    class Slow(Grid):
        asked = 0

        def get_node_ids(self) -> Iterable[int]:
            self.asked += 1
            return list(self._partitions)[: self.asked * 3]

    grid = Slow(flower_client_app(MODEL, CLIENTS, LocalSgd(1, 10, 0.05)), 7)
    everyone(7).start(grid, flower_arrays(START), num_rounds=1)
    assert grid.asked == 3
    with pytest.raises(TimeoutError, match="nodes must be 8, got 7"):
        everyone(8, patience_s=0.0).start(grid, flower_arrays(START), num_rounds=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_clients": 0}, "num_clients must be an integer >= 1, got 0"),
        ({"num_clients": 2, "seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"num_clients": 2, "patience_s": -1.0}, "patience_s must be finite and >= 0, got -1.0"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        everyone(**options)
    if "seed" in options:
        with pytest.raises(ValueError, match=message):
            flower_client_app(MODEL, CLIENTS, LocalSgd(1, 10, 0.05), seed=-1)


def test_the_library_is_imported_without_flower() -> None:
    code = "import sys, mlsys_lib.federated_learning.flower; print('flwr' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "False"
