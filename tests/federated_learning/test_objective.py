import math

import numpy as np
import pytest

from mlsys_lib.federated_learning.clients import Client, pooled
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.objective import (
    client_accuracies,
    client_gradients,
    dissimilarity,
    federated_gradient,
    federated_loss,
    gradient_variance,
)
from mlsys_lib.federated_learning.partition import iid_partition
from tests.federated_learning.quadratics import PAIR, unequal_clients

MODEL = LeastSquares(3)


@pytest.mark.parametrize("sizes", [(5, 1, 9), (4,), (1, 1)])
def test_it_is_the_mean_loss_of_all_examples_together(sizes) -> None:
    clients, w = unequal_clients(sizes), np.array([1.0, -2.0, 0.5])
    together = pooled(clients)
    expected = MODEL.loss(w, together.X, together.y)
    assert federated_loss(MODEL, w, clients) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(
        federated_gradient(MODEL, w, clients), MODEL.gradient(w, together.X, together.y), atol=1e-13
    )


def test_sums_instead_of_means_would_give_the_weights_of_squares() -> None:
    """900 and 100 examples: 90 % and 10 %, and not 98.8 % and 1.2 %."""
    clients = [Client(np.ones((n, 1)), np.full(n, y)) for n, y in ((900, 0.0), (100, 1.0))]
    w, model = np.zeros(1), LeastSquares(1)
    share = -federated_gradient(model, w, clients)[0]  # the second client's pull of 1, weighted
    assert share == pytest.approx(0.1)
    sums = [c.num_examples**2 for c in clients]  # p_i times a sum of n_i
    wrong = sums[1] / sum(sums)
    assert wrong == pytest.approx(0.012, abs=5e-4)
    assert abs(share - wrong) > 0.08


@pytest.mark.parametrize(
    ("w", "expected"), [(5.0, 1.267), (1.5, 1.136), (0.95, 3.374), (0.92, 14.37)]
)
def test_dissimilarity_has_the_worked_values_and_grows_towards_the_minimum(w, expected) -> None:
    assert dissimilarity(LeastSquares(1), np.array([w]), PAIR) == pytest.approx(expected, rel=4e-4)


def test_dissimilarity_is_infinite_where_clients_pull_apart_and_one_where_none_pulls() -> None:
    model = LeastSquares(1)
    apart = [Client(np.ones((1, 1)), np.array([y])) for y in (-1.0, 1.0)]
    assert dissimilarity(model, np.zeros(1), apart) == math.inf
    assert gradient_variance(model, np.zeros(1), apart) == 1.0  # this one stays finite
    assert dissimilarity(model, np.ones(1), [apart[1], apart[1]]) == 1.0


def test_equal_clients_have_dissimilarity_one_and_no_variance() -> None:
    client = unequal_clients([6])[0]
    w = np.ones(3)
    assert dissimilarity(MODEL, w, [client] * 4) == pytest.approx(1, abs=1e-12)
    assert gradient_variance(MODEL, w, [client] * 4) == pytest.approx(0, abs=1e-20)


def test_variance_is_what_dissimilarity_has_above_one() -> None:
    clients, w = unequal_clients((5, 1, 9)), np.array([1.0, -2.0, 0.5])
    for shares in (None, [0.2, 0.3, 0.5], [1 / 3] * 3):
        common = float(np.sum(federated_gradient(MODEL, w, clients, shares) ** 2))
        variance = gradient_variance(MODEL, w, clients, shares)
        excess = dissimilarity(MODEL, w, clients, shares) ** 2 - 1
        assert variance == pytest.approx(excess * common, rel=1e-10)
    gradients = client_gradients(MODEL, w, clients)
    around = gradients - gradients.mean(axis=0)
    assert variance == pytest.approx(np.mean((around**2).sum(axis=1)))


def test_clients_of_one_distribution_have_more_than_one_and_tend_to_one() -> None:
    """IID data give B > 1 too; the excess of B² falls like 1 / n_i."""
    rng, model, w = np.random.default_rng(0), LeastSquares(3), np.ones(3)
    excess = []
    for per_client in (10, 100, 1000):
        X = rng.normal(size=(20 * per_client, 3))
        y = X @ np.zeros(3) + rng.normal(size=len(X))
        parts = iid_partition(len(X), 20)
        clients = [Client(X[part], y[part]) for part in parts]
        excess.append(dissimilarity(model, w, clients) ** 2 - 1)
    assert excess[0] > excess[1] > excess[2] > 0
    assert 30 < excess[0] / excess[2] < 300


def test_accuracies_are_each_clients_own() -> None:
    model = SoftmaxRegression(1, 2)
    weights = np.array([-1.0, 1.0, 0.0, 0.0])  # class 1 where x > 0; of equals, class 0
    clients = [
        Client(np.array([[1.0], [-1.0]]), np.array([1, 1])),
        Client(np.array([[0.0]]), np.array([0])),
    ]
    assert client_accuracies(model, weights, clients).tolist() == [0.5, 1.0]


def test_weights_that_do_not_sum_to_one_are_refused() -> None:
    for function in (federated_loss, federated_gradient, dissimilarity, gradient_variance):
        with pytest.raises(ValueError, match=r"client_weights must sum to one, got 1\.5"):
            function(LeastSquares(1), np.zeros(1), PAIR, [0.5, 1.0])
