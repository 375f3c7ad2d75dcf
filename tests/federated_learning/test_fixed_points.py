import math

import numpy as np
import pytest

from mlsys_lib.federated_learning.clients import client_weights
from mlsys_lib.federated_learning.fedprox import fedprox
from mlsys_lib.federated_learning.fixed_points import (
    fixed_point,
    quadratic_client,
    quadratic_minimum,
)
from mlsys_lib.federated_learning.model import LeastSquares
from tests.federated_learning.quadratics import HESSIANS, MINIMA

HALF = [0.5, 0.5]


def several(m: int = 3, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(m, k, k))
    return roots @ roots.swapaxes(1, 2) + 0.5 * np.eye(k), rng.normal(size=(m, k))


@pytest.mark.parametrize(
    ("local_epochs", "proximal_weight", "expected"),
    [
        (1, 0, 0.909091),
        (2, 0, 0.884956),
        (20, 0, 0.609193),
        (math.inf, 0, 0.5),
        (math.inf, 1, 0.645161),
        (math.inf, 100, 0.901786),
    ],
)
def test_worked_values(local_epochs, proximal_weight, expected) -> None:
    rate = 0.05 if proximal_weight < 100 else 0.01
    got = fixed_point(
        HESSIANS, MINIMA, HALF, local_epochs=local_epochs, learning_rate=rate,
        proximal_weight=proximal_weight,
    )  # fmt: skip
    assert got[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("proximal_weight", [0.0, 0.7])
@pytest.mark.parametrize("local_epochs", [1, 4])
def test_the_run_from_the_fixed_point_stays_there(proximal_weight, local_epochs) -> None:
    """In two dimensions, with clients of unequal weight; and from elsewhere it comes there."""
    hessians, minima = several()
    clients = [
        quadratic_client(h, c, n) for h, c, n in zip(hessians, minima, (2, 4, 10), strict=True)
    ]
    shares, rate = client_weights(clients), 0.1
    np.testing.assert_allclose(shares, [1 / 8, 1 / 4, 5 / 8])
    point = fixed_point(
        hessians, minima, shares, local_epochs=local_epochs, learning_rate=rate,
        proximal_weight=proximal_weight,
    )  # fmt: skip
    for start, rounds in ((point, 3), (np.array([5.0, -5.0]), 800)):
        run = fedprox(
            LeastSquares(2), clients, start, num_rounds=rounds, local_epochs=local_epochs,
            batch_size=None, learning_rate=rate, proximal_weight=proximal_weight,
        )  # fmt: skip
        np.testing.assert_allclose(run.final, point, atol=1e-8)
    if local_epochs > 1 or proximal_weight:
        unbiased = local_epochs == 1  # one step does not feel the term: w = w_t
        minimum = quadratic_minimum(hessians, minima, shares)
        assert np.allclose(point, minimum) == unbiased


def test_ways_to_the_minimum_and_to_the_mean_of_minima() -> None:
    hessians, minima = several()
    shares = np.array([0.2, 0.3, 0.5])
    minimum = quadratic_minimum(hessians, minima, shares)
    slope = sum(p * h @ (minimum - c) for p, h, c in zip(shares, hessians, minima, strict=True))
    np.testing.assert_allclose(slope, 0, atol=1e-14)

    def at(local_epochs: float, rate: float, weight: float = 0.0) -> np.ndarray:
        return fixed_point(
            hessians, minima, shares, local_epochs=local_epochs, learning_rate=rate,
            proximal_weight=weight,
        )  # fmt: skip

    np.testing.assert_allclose(at(1, 0.1), minimum)
    np.testing.assert_allclose(at(7, 1e-7), minimum, atol=1e-5)  # small steps: no drift
    np.testing.assert_allclose(at(math.inf, 0.1), shares @ minima)
    np.testing.assert_allclose(at(10**6, 0.1), shares @ minima)
    away = [np.linalg.norm(at(math.inf, 1e-9, weight) - minimum) for weight in (1, 10, 100, 1e6)]
    assert away[0] > away[1] > away[2] > away[3] > 0


def test_clients_of_one_minimum_have_it_as_fixed_point() -> None:
    hessians, _ = several()
    minima = np.tile([2.0, -1.0], (3, 1))
    got = fixed_point(hessians, minima, [0.2, 0.3, 0.5], local_epochs=9, learning_rate=0.1)
    np.testing.assert_allclose(got, [2, -1])
    lone = fixed_point(hessians[:1], minima[:1], [1.0], local_epochs=1, learning_rate=0.1)
    np.testing.assert_allclose(lone, [2, -1])


def test_a_quadratic_client_has_that_loss() -> None:
    hessians, minima = several()
    client, model = quadratic_client(hessians[0], minima[0], 6), LeastSquares(2)
    assert client.num_examples == 6
    w = np.array([0.3, -2.0])
    away = w - minima[0]
    assert model.loss(w, client.X, client.y) == pytest.approx(0.5 * away @ hessians[0] @ away)
    np.testing.assert_allclose(model.gradient(w, client.X, client.y), hessians[0] @ away)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.2}, "learning_rate must be < 0.2, or steps diverge, got 0.2"),
        ({"proximal_weight": -1.0}, "proximal_weight must be finite and >= 0, got -1"),
        ({"local_epochs": 0}, "local_epochs must be an integer >= 1, got 0"),
        ({"client_weights": [0.5, 0.6]}, "client_weights must be 2 >= 0 that sum to one"),
        ({"hessians": -HESSIANS}, "hessians must be symmetric and positive definite, one is not"),
        ({"minima": MINIMA[:1]}, r"must have shapes \(m, k, k\) and \(m, k\)"),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    good = {
        "hessians": HESSIANS, "minima": MINIMA, "client_weights": HALF, "local_epochs": 2,
        "learning_rate": 0.05,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        fixed_point(**(good | changes))


def test_examples_of_a_quadratic_client_come_in_whole_sets() -> None:
    with pytest.raises(ValueError, match="num_examples must be a multiple of 2, got 3"):
        quadratic_client(np.eye(2), np.zeros(2), 3)
