import numpy as np
import pytest

from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.fixed_points import fixed_point
from mlsys_lib.federated_learning.model import LeastSquares, NetworkModel, SoftmaxRegression
from mlsys_lib.federated_learning.objective import federated_loss
from mlsys_lib.federated_learning.partition import iid_partition, shard_partition
from mlsys_lib.federated_learning.systems import Stragglers
from tests.federated_learning.quadratics import HESSIANS, MINIMA, PAIR, unequal_clients

MODEL = LeastSquares(1)


def drifted(local_epochs: int, num_rounds: int = 100, learning_rate=0.05) -> float:
    run = fedavg(
        MODEL, PAIR, np.zeros(1), num_rounds=num_rounds,
        local_epochs=local_epochs, batch_size=None, learning_rate=learning_rate,
    )  # fmt: skip
    return float(run.final[0])


@pytest.mark.parametrize(
    ("local_epochs", "expected"), [(1, 0.909091), (2, 0.884956), (20, 0.609193), (400, 0.5)]
)
def test_it_ends_at_its_fixed_point_and_not_at_the_minimum(local_epochs, expected) -> None:
    rounds = 100 if local_epochs < 400 else 5
    end = drifted(local_epochs, rounds)
    assert end == pytest.approx(expected, abs=1e-6)
    exact = fixed_point(HESSIANS, MINIMA, [0.5, 0.5], local_epochs=local_epochs, learning_rate=0.05)
    assert end == pytest.approx(exact[0], abs=1e-8)


def test_steps_that_shrink_take_it_to_the_minimum() -> None:
    """With 20 epochs: at 0.61 with a constant step, near the minimum with a falling one."""
    falling = drifted(20, 400, lambda t: 0.05 / (1 + 0.5 * t))
    assert falling == pytest.approx(10 / 11, abs=4e-3)
    assert abs(drifted(20, 400) - 10 / 11) > 0.29  # a step that does not fall


def test_a_round_written_out() -> None:
    """Samples from the history, batches from each client's own generator, mean by examples."""
    clients, rate = unequal_clients([5, 2, 7, 4]), 0.05
    run = fedavg(
        LeastSquares(3), clients, np.zeros(3), num_rounds=3, local_epochs=2, batch_size=3,
        learning_rate=rate, client_fraction=0.5, seed=6,
    )  # fmt: skip
    w = np.zeros(3)
    for t, sampled in enumerate(run.sampled):
        total, new = sum(clients[i].num_examples for i in sampled), np.zeros(3)
        for i in sampled:
            X, y, n = clients[i].X, clients[i].y, clients[i].num_examples
            local, rng = w, np.random.default_rng([6, 1, t, i])
            for _ in range(2):
                order = rng.permutation(n) if n > 3 else np.arange(n)
                for at in range(0, n, 3):
                    rows = order[at : at + 3]
                    slope = X[rows].T @ (X[rows] @ local - y[rows]) / len(rows)
                    local = local - rate * slope
            new += n / total * local
        w = new
        np.testing.assert_allclose(run.weights[t + 1], w, atol=1e-13)


def test_equal_clients_do_not_drift() -> None:
    """Clients with the same data end at the minimum for every E."""
    client = unequal_clients([40])[0]
    minimum = np.linalg.lstsq(client.X, client.y)[0]
    for local_epochs in (1, 7):
        run = fedavg(
            LeastSquares(3), [client] * 3, np.zeros(3), num_rounds=200,
            local_epochs=local_epochs, batch_size=None, learning_rate=0.2,
        )  # fmt: skip
        np.testing.assert_allclose(run.final, minimum, atol=1e-8)


def test_dropped_stragglers_bias_towards_the_others() -> None:
    run = fedavg(
        MODEL, PAIR, np.zeros(1), num_rounds=40, local_epochs=3, batch_size=None,
        learning_rate=0.05, systems=Stragglers(0.5, "drop"),
    )  # fmt: skip
    assert all(list(lost.values()) == ["straggler"] for lost in run.lost)
    ends = np.abs(np.diff(run.weights[-20:, 0]))
    assert ends.max() > 0.05  # now the one, now the other: it does not settle


def clothes(parts: list[np.ndarray]) -> list[Client]:
    X, y, _, _ = fashion_mnist()
    return [Client(X[part] / 255, y[part]) for part in parts]


def rounds_to(clients, accuracy: float, local_epochs: int, batch_size: int | None) -> int:
    """Rounds until the test images are classified that well; 99 if it is not within 16."""
    model = SoftmaxRegression(784, 10)
    _, _, X, y = fashion_mnist()
    run = fedavg(
        model, clients, np.zeros(model.num_weights), num_rounds=16, local_epochs=local_epochs,
        batch_size=batch_size, learning_rate=0.03, client_fraction=0.2,
        traces={"accuracy": lambda w: np.mean(model.predict(w, X / 255) == y)},
    )  # fmt: skip
    reached = np.flatnonzero(run.traces["accuracy"] >= accuracy)
    return int(reached[0]) if len(reached) else 99


def test_more_local_work_needs_fewer_rounds_and_shards_more() -> None:
    """The order of the paper's table 2, on Fashion-MNIST with 50 clients."""
    _, y, _, _ = fashion_mnist()
    alike = clothes(iid_partition(3000, 50))
    fedsgd_rounds = rounds_to(alike, 0.65, 1, None)
    full, small = rounds_to(alike, 0.65, 5, None), rounds_to(alike, 0.65, 5, 10)
    assert fedsgd_rounds > full > small
    unlike = clothes(shard_partition(y, 50))
    assert rounds_to(unlike, 0.65, 5, 10) > small


def test_a_network_learns_over_clients() -> None:
    clients, model = clothes(iid_partition(600, 5)), NetworkModel([784, 16, 10])
    start = model.initial(np.random.default_rng(0))
    run = fedavg(
        model, clients, start, num_rounds=3, local_epochs=2, batch_size=20, learning_rate=0.1
    )
    assert federated_loss(model, run.final, clients) < 0.7 * federated_loss(model, start, clients)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"client_fraction": 0.0}, r"fraction must be in \(0, 1\], got 0.0"),
        ({"local_epochs": 0}, "local_epochs must be an integer >= 1, got 0"),
        ({"batch_size": -1}, "batch_size must be an integer >= 1, got -1"),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    settings = {"num_rounds": 1, "local_epochs": 1, "batch_size": 1, "learning_rate": 0.1}
    with pytest.raises(ValueError, match=message):
        fedavg(MODEL, PAIR, np.zeros(1), **(settings | changes))
