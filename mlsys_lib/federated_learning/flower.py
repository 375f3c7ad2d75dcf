"""The same clients and aggregations in Flower, which runs them on machines that are far apart.

Beutel et al., "Flower: a friendly federated learning research framework", 2020, arXiv:2007.14390.
Flower's client app calls what `federate` calls for a client, and its strategy asks our sampling and
our aggregation. With the same seed each round has the same weights to the last bit. Needs Flower
1.41 or later, the extra `flower`; nothing else in this library does.

Two apps make a run:

    strategy = flower_strategy(
        UniformWithoutReplacement(0.1), MeanByExamples(), num_clients=len(clients)
    )
    flwr.simulation.run_simulation(
        flower_server_app(strategy, start, num_rounds=10),
        flower_client_app(model, clients, LocalSgd(1, 10, 0.1)),
        len(clients),
    )

Ours differs from `federate`: every client has the time it needs, there is no second vector, and a
client forgets what it keeps between rounds, as Flower may run it in another process each time.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.core.validate import integer, non_negative, positive_int
from mlsys_lib.federated_learning.aggregation import Aggregation, Update
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import LocalSolver
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.rounds import SAMPLING_STREAM, fault_of
from mlsys_lib.federated_learning.sampling import Sampling
from mlsys_lib.federated_learning.workers import LocalClients


def flower_client_app(
    model: Model, clients: Sequence[Client], local_solver: LocalSolver, *, seed: int = 0
) -> Any:
    """Return a `flwr.clientapp.ClientApp` that works for the client of its node.

    Parameters
    ----------
    model, local_solver, seed
        As for `federate`.
    clients : sequence of Client
        The node's own is at its `partition-id`, which Flower's simulation numbers from 0. On a
        machine of its own a client needs no data of the others: a list that has it in that place.

    Returns
    -------
    ClientApp
        It answers "train" with weights and "query" with who it is. A client that fails sends an
        error, and `flower_strategy` goes on without it.
    """
    from flwr.clientapp import ClientApp

    integer("seed", seed, 0)

    def query(message: Any, context: Any) -> Any:
        i = int(context.node_config["partition-id"])
        return _message({"metrics": _metrics(i, clients[i].num_examples)}, reply_to=message)

    def train(message: Any, context: Any) -> Any:
        i = int(context.node_config["partition-id"])
        round = int(message.content["config"]["server-round"]) - 1
        weights = message.content["arrays"]["weights"].numpy()
        local = LocalClients(model, clients, local_solver, seed)
        got = local.visit(round, i, 1.0, weights, None)
        if isinstance(got, str):
            raise RuntimeError(f"client {i} failed: {got}")
        metrics = _metrics(i, got.num_examples, **{"num-steps": got.num_steps, "loss": got.loss})
        content = {"arrays": flower_arrays(got.weights), "metrics": metrics}
        return _message(content, reply_to=message)

    app = ClientApp()
    app.query()(query)
    app.train()(train)
    return app


def flower_strategy(
    sampling: Sampling,
    aggregation: Aggregation,
    *,
    num_clients: int,
    seed: int = 0,
    patience_s: float = 60.0,
) -> Any:
    """Return a `flwr.serverapp.strategy.Strategy` of our pieces.

    Parameters
    ----------
    sampling : Sampling
        Sees the share p_i of all examples that each client has; the first round asks for it.
    aggregation : Aggregation
    num_clients : int
        m. The first round waits until as many nodes are there; later ones are not asked.
    seed : int
        Of the sampling, as for `federate`.
    patience_s : float
        How many seconds it waits before it raises `TimeoutError`.

    Returns
    -------
    Strategy
        Its `start` runs the rounds. Evaluation is left to Flower's `evaluate_fn`.
    """
    from flwr.serverapp.strategy import Strategy

    positive_int("num_clients", num_clients)
    integer("seed", seed, 0)
    non_negative("patience_s", patience_s)
    made = type("FlowerStrategy", (_Hooks, Strategy), {})  # Flower's class exists from here on only
    return made(sampling, aggregation, num_clients, seed, patience_s)


def flower_server_app(strategy: Any, start: np.ndarray, *, num_rounds: int, **options: Any) -> Any:
    """Return a `flwr.serverapp.ServerApp` that runs a strategy.

    Parameters
    ----------
    strategy : Strategy
        Ours, or any other that takes weights under the name "weights".
    start : ndarray of shape (k,)
        w_0.
    num_rounds : int
        T ≥ 1.
    **options
        For the strategy's `start`, such as Flower's `evaluate_fn`.
    """
    from flwr.serverapp import ServerApp

    positive_int("num_rounds", num_rounds)
    app = ServerApp()

    def main(grid: Any, context: Any) -> None:
        strategy.start(grid, flower_arrays(start), num_rounds=num_rounds, **options)

    app.main()(main)
    return app


def flower_arrays(weights: np.ndarray) -> Any:
    """Return weights as the `flwr.app.ArrayRecord` that both sides send."""
    from flwr.app import Array, ArrayRecord

    return ArrayRecord({"weights": Array(np.asarray(weights, dtype=np.float64))})


class _Hooks:
    """What Flower's strategy calls in each round."""

    def __init__(
        self,
        sampling: Sampling,
        aggregation: Aggregation,
        num_clients: int,
        seed: int,
        patience_s: float,
    ) -> None:
        self._sampling, self._aggregation, self._seed = sampling, aggregation, seed
        self._num_clients, self._patience_s = num_clients, patience_s
        self._nodes: dict[int, int] = {}
        self._shares = np.zeros(0)
        self._sampled: list[int] = []
        self._weights = np.zeros(0)

    def configure_train(
        self, server_round: int, arrays: Any, config: Any, grid: Any
    ) -> Iterable[Any]:
        """Return a message for each client that is sampled; one that is drawn twice gets one."""
        if not self._nodes:
            self._meet(grid)
        round = server_round - 1  # Flower counts from 1
        rng = np.random.default_rng([self._seed, SAMPLING_STREAM, round, 0])
        self._sampled = list(self._sampling(round, self._shares, rng))
        self._weights = arrays["weights"].numpy()
        config["server-round"] = server_round
        content = {"arrays": arrays, "config": config}
        chosen = [self._nodes[i] for i in dict.fromkeys(self._sampled)]
        return [_message(content, node=node, kind="train") for node in chosen]

    def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, None]:
        """Return the next weights, from the sound answers in the order of the sample."""
        updates = {u.client: u for u in map(_update, _sound(replies)) if not self._fault(u)}
        ordered = [updates[i] for i in self._sampled if i in updates]
        if not ordered:
            return None, None  # Flower keeps the weights
        return flower_arrays(self._aggregation(self._weights, ordered, self._shares)), None

    def configure_evaluate(
        self, server_round: int, arrays: Any, config: Any, grid: Any
    ) -> Iterable[Any]:
        """Return no message."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Any]) -> None:
        """Return nothing, as nothing was asked."""

    def summary(self) -> None:
        """Add nothing to Flower's log."""

    def _meet(self, grid: Any) -> None:
        """Ask every node which client it is, and how many examples it has."""
        asked = [_message({}, node=node, kind="query") for node in self._wait(grid)]
        found = {}
        for reply in _sound(grid.send_and_receive(asked)):
            metrics = reply.content["metrics"]
            found[metrics["client"]] = (reply.metadata.src_node_id, metrics["num-examples"])
        if sorted(found) != list(range(self._num_clients)):
            raise ValueError(
                f"nodes must be clients 0…{self._num_clients - 1}, got {sorted(found)}"
            )
        self._nodes = {i: node for i, (node, _) in found.items()}
        sizes = np.array([found[i][1] for i in range(self._num_clients)])
        self._shares = sizes / sizes.sum()

    def _wait(self, grid: Any) -> list[int]:
        """Return the nodes once all are there; Flower's server may start before its clients."""
        give_up_s = time.monotonic() + self._patience_s
        while len(nodes := list(grid.get_node_ids())) < self._num_clients:
            if time.monotonic() > give_up_s:
                raise TimeoutError(f"nodes must be {self._num_clients}, got {len(nodes)}")
            time.sleep(0.05)
        return nodes

    def _fault(self, update: Update) -> str:
        same = update.weights.shape == self._weights.shape
        return fault_of(update) if same else f"weights have shape {update.weights.shape}"


def _sound(replies: Iterable[Any]) -> list[Any]:
    return [reply for reply in replies if not reply.has_error()]


def _update(reply: Any) -> Update:
    metrics, weights = reply.content["metrics"], reply.content["arrays"]["weights"].numpy()
    return Update(
        metrics["client"],
        weights,
        metrics["num-examples"],
        metrics["num-steps"],
        metrics["loss"],
    )


def _metrics(client: int, num_examples: int, **more: float) -> Any:
    from flwr.app import MetricRecord

    return MetricRecord({"client": client, "num-examples": num_examples, **more})


def _message(
    content: dict[str, Any], *, reply_to: Any = None, node: int | None = None, kind: str = ""
) -> Any:
    from flwr.app import Message, RecordDict

    if reply_to is not None:
        return Message(RecordDict(content), reply_to=reply_to)
    return Message(RecordDict(content), dst_node_id=node, message_type=kind)
