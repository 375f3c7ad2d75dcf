"""Measure federated learning: `python -m benchmarks.federated`.

Figures go to benchmarks/results/federated.json. One thread each. Aggregation takes turns with
Flower's, medians and medians of ratios. Flower's simulation runs our own clients, sampling and
aggregation through the adapter, so that both sides do the same work; it is run once and starts its
processes each time, as a user's script would. Besides the seconds the weights of all rounds are
compared. Where Flower is not installed, this says so and measures what is left.
"""

import importlib.metadata
import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.comm.__main__ import machine
from benchmarks.report import report
from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.federated_learning.aggregation import MeanByExamples, weighted_mean
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.flower import (
    flower_client_app,
    flower_server_app,
    flower_strategy,
)
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import SoftmaxRegression
from mlsys_lib.federated_learning.partition import dirichlet_partition
from mlsys_lib.federated_learning.sampling import UniformWithoutReplacement
from mlsys_lib.federated_learning.synthetic import synthetic

CLIENTS, ROUNDS, ELEMENTS, REPEAT = 10, 10, 1_000_000, 21
MANY_CLIENTS, MANY_ROUNDS = 1_000, 100
GOALS = {
    "aggregation_to_flower_ratio": 0.5,
    "aggregation_largest_difference": 0.0,
    "simulation_to_flower_ratio": 0.05,
    "adapter_largest_difference": 0.0,
    "clients_1000_rounds_100_s": 60.0,
}
FLOWER = importlib.util.find_spec("flwr") is not None


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start_s = time.perf_counter()
    function()
    return time.perf_counter() - start_s


def measure_aggregation() -> dict[str, float]:
    """Return the weighted mean of 10 vectors of a million float32, ours and Flower's."""
    from flwr.server.strategy.aggregate import aggregate

    rng = np.random.default_rng(0)
    vectors = [rng.standard_normal(ELEMENTS, dtype=np.float32) for _ in range(CLIENTS)]
    counts = rng.integers(50, 1000, CLIENTS).tolist()
    theirs = [([vector], count) for vector, count in zip(vectors, counts, strict=True)]
    difference = np.abs(weighted_mean(vectors, counts) - aggregate(theirs)[0]).max()
    times = [
        (seconds(lambda: weighted_mean(vectors, counts)), seconds(lambda: aggregate(theirs)))
        for _ in range(REPEAT)
    ]
    ours_s, flower_s = map(median, zip(*times, strict=True))
    return {
        "aggregation_s": ours_s,
        "flower_aggregation_s": flower_s,
        "aggregation_to_flower_ratio": median(a / b for a, b in times),
        "aggregation_largest_difference": float(difference),
    }


def clothes() -> tuple[SoftmaxRegression, list[Client]]:
    """Return the bundled images among ten clients, by a Dirichlet of concentration 0.5."""
    X, y, _, _ = fashion_mnist()
    parts = dirichlet_partition(y, CLIENTS, 0.5)
    return SoftmaxRegression(784, 10), [Client(X[part] / 255, y[part]) for part in parts]


def measure_simulation() -> dict[str, float]:
    """Return seconds of ten rounds, ours and through the adapter in Flower's simulation."""
    model, clients = clothes()
    start = np.zeros(model.num_weights)

    def ours() -> np.ndarray:
        return fedavg(
            model,
            clients,
            start,
            num_rounds=ROUNDS,
            local_epochs=1,
            batch_size=10,
            learning_rate=0.1,
        ).weights

    ours()
    found: list[np.ndarray] = []
    ours_s = median(seconds(ours) for _ in range(5))
    flower_s = seconds(lambda: found.append(in_flower(model, clients, start)))
    return {
        "simulation_s": ours_s,
        "flower_simulation_s": flower_s,
        "simulation_to_flower_ratio": ours_s / flower_s,
        "adapter_largest_difference": float(np.abs(found[0] - ours()).max()),
    }


def in_flower(model: SoftmaxRegression, clients: list[Client], start: np.ndarray) -> np.ndarray:
    """Return the weights of all rounds of the same run in Flower, of shape (T + 1, k)."""
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])  # for Ray's processes
    from flwr.simulation import run_simulation

    strategy = flower_strategy(
        UniformWithoutReplacement(1.0), MeanByExamples(), num_clients=len(clients)
    )
    client_app = flower_client_app(model, clients, LocalSgd(1, 10, 0.1))
    history: list[np.ndarray] = []

    server_app = flower_server_app(
        strategy,
        start,
        num_rounds=ROUNDS,
        evaluate_fn=lambda _, arrays: history.append(arrays["weights"].numpy()),
    )
    run_simulation(server_app, client_app, num_supernodes=len(clients))
    return np.array(history)


def measure_many_clients() -> dict[str, float]:
    """Return seconds of 100 rounds over 1 000 clients with logistic regression, C = 0.1."""
    data = synthetic(1, 1, num_clients=MANY_CLIENTS)
    model = SoftmaxRegression(60, 10)
    took_s = seconds(
        lambda: fedavg(
            model,
            data.train,
            np.zeros(model.num_weights),
            num_rounds=MANY_ROUNDS,
            local_epochs=1,
            batch_size=10,
            learning_rate=0.01,
            client_fraction=0.1,
        )
    )
    return {"clients_1000_rounds_100_s": took_s}


def main() -> None:
    """Take every measurement, print it, and write it down."""
    facts: dict[str, object] = dict(machine())
    with threadpool_limits(1):
        figures = measure_many_clients()
        if FLOWER:
            facts["flwr"] = importlib.metadata.version("flwr")
            figures |= {**measure_aggregation(), **measure_simulation()}
    if not FLOWER:
        print("flwr is not installed: the comparisons with Flower are left out")
    report("federated", facts, GOALS, figures)


if __name__ == "__main__":
    main()
