import numpy as np
import pytest
import torch

from mlsys_lib.federated_learning.clients import Client, pooled
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.fedsgd import fedsgd
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from tests.federated_learning.quadratics import decaying, unequal_clients

CLIENTS = unequal_clients([5, 1, 9])


def test_with_all_clients_it_is_gradient_descent_on_all_examples() -> None:
    together, w, expected = pooled(CLIENTS), np.zeros(3), [np.zeros(3)]
    for t in range(6):
        slope = together.X.T @ (together.X @ w - together.y) / together.num_examples
        w = w - decaying(t) * slope
        expected.append(w)
    run = fedsgd(LeastSquares(3), CLIENTS, np.zeros(3), num_rounds=6, learning_rate=decaying)
    np.testing.assert_allclose(run.weights, expected, atol=1e-14)


def test_it_is_torchs_gradient_descent_on_classes_of_all_clients() -> None:
    rng = np.random.default_rng(1)
    clients = [Client(rng.normal(size=(n, 4)), rng.integers(0, 3, n)) for n in (7, 2, 4)]
    start = rng.normal(size=15)
    layer = torch.nn.Linear(4, 3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(start.reshape(5, 3)[:4].T))
        layer.bias.copy_(torch.tensor(start.reshape(5, 3)[4]))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    together = pooled(clients)
    for _ in range(5):
        optimizer.zero_grad()
        logits = layer(torch.tensor(together.X))
        torch.nn.functional.cross_entropy(logits, torch.tensor(together.y)).backward()
        optimizer.step()
    run = fedsgd(SoftmaxRegression(4, 3), clients, start, num_rounds=5, learning_rate=0.5)
    expected = np.vstack([layer.weight.detach().numpy().T, layer.bias.detach().numpy()])
    np.testing.assert_allclose(run.final, expected.ravel(), atol=1e-13)


def test_it_is_fedavg_with_one_epoch_of_full_batches() -> None:
    settings = {"num_rounds": 4, "learning_rate": 0.1, "client_fraction": 0.5, "seed": 2}
    one = fedsgd(LeastSquares(3), CLIENTS, np.zeros(3), **settings)
    other = fedavg(
        LeastSquares(3), CLIENTS, np.zeros(3), local_epochs=1, batch_size=None, **settings
    )
    assert np.array_equal(one.weights, other.weights)


def test_a_lone_client_descends_alone() -> None:
    run = fedsgd(LeastSquares(3), CLIENTS[1:2], np.zeros(3), num_rounds=1, learning_rate=0.1)
    np.testing.assert_allclose(run.final, 0.1 * CLIENTS[1].y[0] * CLIENTS[1].X[0])


def test_a_step_that_does_not_descend_is_refused() -> None:
    with pytest.raises(ValueError, match="learning_rate must be finite and > 0, got -1"):
        fedsgd(LeastSquares(3), CLIENTS, np.zeros(3), num_rounds=1, learning_rate=-1.0)
