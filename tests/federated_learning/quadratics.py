"""Cases with known answers, and functions that processes can import."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlsys_lib.federated_learning.aggregation import MeanByExamples
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.fedprox import fedprox
from mlsys_lib.federated_learning.fixed_points import quadratic_client
from mlsys_lib.federated_learning.local import ClientState, LocalSgd
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.rounds import History, federate
from mlsys_lib.federated_learning.sampling import Everyone, UniformWithoutReplacement
from mlsys_lib.federated_learning.workers import RankWorkers

HESSIANS, MINIMA = np.array([[[1.0]], [[10.0]]]), np.array([[0.0], [1.0]])
PAIR = [quadratic_client(h, c) for h, c in zip(HESSIANS, MINIMA, strict=True)]
"""½ w² and 5 (w - 1)², of equal weight: section L of the reference numbers."""


def unequal_clients(sizes: Sequence[int], num_features: int = 3, seed: int = 0) -> list[Client]:
    """Clients with numbers as labels, each with a model of its own."""
    rng = np.random.default_rng(seed)
    clients = []
    for n in sizes:
        X, own = rng.normal(size=(n, num_features)), rng.normal(size=num_features)
        clients.append(Client(X, X @ own + 0.1 * rng.normal(size=n)))
    return clients


class FailsFor:
    """A local solver of which some clients make nothing good."""

    def __init__(self, faults: dict[int, str], clients: Sequence[Client]) -> None:
        self._by_size = {clients[i].num_examples: fault for i, fault in faults.items()}
        self._inner = LocalSgd(1, 2, 0.05)

    def __call__(
        self,
        model: Model,
        client: Client,
        weights: np.ndarray,
        rng: np.random.Generator,
        work: float,
        state: ClientState,
    ) -> tuple[np.ndarray, int]:
        new, steps = self._inner(model, client, weights, rng, work, state)
        fault = self._by_size.get(client.num_examples)
        if fault == "raises":
            weights[:] = 99.0  # what it does to its own copy concerns nobody
            raise RuntimeError("out of battery")
        if fault == "nan":
            return new * np.nan, steps
        if fault == "short":
            return new[:-1], steps
        return new, steps


class Doubles:
    """A local solver with a second vector: it sends twice what it has heard and counts visits."""

    def __call__(
        self,
        model: Model,
        client: Client,
        weights: np.ndarray,
        rng: np.random.Generator,
        work: float,
        state: ClientState,
    ) -> tuple[np.ndarray, int]:
        assert state.server_control is not None
        state.memory["visits"] = state.memory.get("visits", np.zeros(1)) + 1
        state.sent_control = 2 * state.server_control + state.memory["visits"]
        return weights + rng.normal(size=weights.shape), 1


def with_control(
    model: Model, clients: Sequence[Client], workers: RankWorkers | None = None
) -> History:
    """Run rounds in which the sum of the clients' second vectors is sent out next."""
    return federate(
        model, clients, np.zeros(model.num_weights), num_rounds=3,
        **pieces_with_control(model.num_weights), seed=3, workers=workers,
    )  # fmt: skip


def pieces_with_control(k: int) -> dict[str, Any]:
    server = SumOfControls(k)
    return {
        "sampling": UniformWithoutReplacement(0.5),
        "local_solver": Doubles(),
        "aggregation": server,
        "server_control": lambda: server.control,
    }


class SumOfControls:
    """A server that remembers."""

    def __init__(self, k: int) -> None:
        self.control = np.ones(k)

    def __call__(self, weights: np.ndarray, updates: Any, client_weights: np.ndarray) -> np.ndarray:
        self.control = sum(u.control for u in updates)
        return weights + 0.1 * self.control


def prox_run(
    model: Model, clients: Sequence[Client], workers: RankWorkers | None = None, **changes: Any
) -> History:
    """Run FedProx with batches, sampling and a decaying step."""
    settings: dict[str, Any] = {
        "num_rounds": 4, "local_epochs": 2, "batch_size": 3, "learning_rate": decaying,
        "proximal_weight": 0.3, "client_fraction": 0.6, "seed": 1,
    }  # fmt: skip
    start = np.linspace(-1, 1, model.num_weights)
    return fedprox(model, clients, start, workers=workers, **(settings | changes))


def failing_run(
    model: Model, clients: Sequence[Client], workers: RankWorkers | None = None
) -> History:
    """Run rounds in which clients 1, 2 and 3 fail, each in its way."""
    solver = FailsFor({1: "raises", 2: "nan", 3: "short"}, clients)
    return federate(
        model, clients, np.zeros(model.num_weights), num_rounds=2, sampling=Everyone(),
        local_solver=solver, aggregation=MeanByExamples(), workers=workers,
    )  # fmt: skip


def diverging_run(
    model: Model, clients: Sequence[Client], workers: RankWorkers | None = None
) -> History:
    """Run rounds in which each takes the weights further away, until they overflow."""
    return federate(
        model, clients, np.ones(model.num_weights), num_rounds=400, sampling=Everyone(),
        local_solver=LocalSgd(1, None, 51.0), aggregation=MeanByExamples(), workers=workers,
    )  # fmt: skip


def decaying(round: int) -> float:
    """A step that shrinks with the rounds."""
    return 0.05 / (1 + round)
