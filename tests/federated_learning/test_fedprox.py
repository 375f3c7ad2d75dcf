import math

import numpy as np
import pytest

from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.fedprox import fedprox
from mlsys_lib.federated_learning.fixed_points import fixed_point
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.objective import federated_loss
from mlsys_lib.federated_learning.synthetic import synthetic
from mlsys_lib.federated_learning.systems import Stragglers
from tests.federated_learning.quadratics import HESSIANS, MINIMA, PAIR, unequal_clients

SETTINGS = {"num_rounds": 6, "local_epochs": 3, "batch_size": 2, "learning_rate": 0.05}


def test_without_the_term_it_is_fedavg_to_the_last_bit() -> None:
    """With samples and stragglers too: the same draws, the same steps."""
    clients = unequal_clients([5, 2, 7, 4, 3])
    settings = SETTINGS | {"client_fraction": 0.6, "systems": Stragglers(0.5), "seed": 4}
    one = fedavg(LeastSquares(3), clients, np.zeros(3), **settings)
    zero = fedprox(LeastSquares(3), clients, np.zeros(3), proximal_weight=0.0, **settings)
    assert np.array_equal(one.weights, zero.weights)
    some = fedprox(LeastSquares(3), clients, np.zeros(3), proximal_weight=0.01, **settings)
    assert not np.allclose(one.weights[1:], some.weights[1:])  # a forgotten term would be equal


@pytest.mark.parametrize(
    ("proximal_weight", "learning_rate", "local_epochs", "num_rounds", "expected"),
    [(0, 0.05, 400, 3, 0.5), (1, 0.05, 150, 14, 0.645161), (100, 0.01, 12, 150, 0.901786)],
)
def test_with_exact_local_solves_it_ends_beside_the_minimum(
    proximal_weight, learning_rate, local_epochs, num_rounds, expected
) -> None:
    """μ = 0, 1, 100 of the reference numbers; the minimum is 0.909091."""
    run = fedprox(
        LeastSquares(1), PAIR, np.array([0.9]), num_rounds=num_rounds,
        local_epochs=local_epochs, batch_size=None,
        learning_rate=learning_rate, proximal_weight=proximal_weight,
    )  # fmt: skip
    exact = fixed_point(
        HESSIANS, MINIMA, [0.5, 0.5], local_epochs=math.inf, learning_rate=learning_rate,
        proximal_weight=proximal_weight,
    )  # fmt: skip
    assert exact[0] == pytest.approx(expected, abs=1e-6)
    assert run.final[0] == pytest.approx(exact[0], abs=1e-5)


def test_a_larger_weight_leaves_clients_nearer_to_the_server() -> None:
    clients = unequal_clients([5, 2, 7])
    moved = [
        np.linalg.norm(
            fedprox(
                LeastSquares(3), clients, np.zeros(3), proximal_weight=weight,
                **(SETTINGS | {"num_rounds": 1, "learning_rate": 0.01}),
            ).final
        )
        for weight in (0.0, 1.0, 10.0, 50.0)
    ]  # fmt: skip
    assert moved[0] > moved[1] > moved[2] > moved[3] > 0


def test_each_scheme_samples_and_averages_in_its_own_way() -> None:
    """By weight a client may come twice, and means are plain; by examples neither."""
    clients = unequal_clients([50, 1, 1])
    settings = SETTINGS | {"num_rounds": 30, "client_fraction": 1.0, "learning_rate": 1e-3}
    by_weight = fedprox(
        LeastSquares(3), clients, np.zeros(3), proximal_weight=1.0, scheme="by weight", **settings
    )
    counts = np.bincount([i for sampled in by_weight.sampled for i in sampled], minlength=3)
    assert counts[0] > 80
    assert any(sampled == (0, 0, 0) for sampled in by_weight.sampled)
    by_examples = fedprox(LeastSquares(3), clients, np.zeros(3), proximal_weight=1.0, **settings)
    assert set(by_examples.sampled) == {(0, 1, 2)}


def test_a_round_by_weight_is_the_plain_mean_of_the_draws() -> None:
    """Written out with full batches; a mean by examples would count examples twice."""
    clients, w = unequal_clients([8, 2, 2]), np.ones(3)
    run = fedprox(
        LeastSquares(3), clients, w, num_rounds=8, local_epochs=1, batch_size=None,
        learning_rate=0.1, proximal_weight=1.0, client_fraction=1.0, scheme="by weight",
    )  # fmt: skip
    assert any(len(set(sampled)) == 2 for sampled in run.sampled)
    for t, sampled in enumerate(run.sampled):
        slopes = [LeastSquares(3).gradient(w, clients[i].X, clients[i].y) for i in sampled]
        w = w - 0.1 * np.mean(slopes, axis=0)
        np.testing.assert_allclose(run.weights[t + 1], w, atol=1e-13)


def test_with_stragglers_partial_work_beats_dropping_them() -> None:
    """Figure 1 of the paper on a smaller synthetic(1, 1), at its rate: an order, no value.

    Of ten clients nine are stragglers. FedAvg drops them, FedProx with μ = 1 takes what they have.
    """
    data = synthetic(1, 1, log_size=3.0, log_size_std=1.0, least_examples=10)
    clients, model = data.train, SoftmaxRegression(60, 10)
    settings = {
        "num_rounds": 20, "local_epochs": 20, "batch_size": 10, "learning_rate": 0.01,
        "client_fraction": 1 / 3, "traces": {"loss": lambda w: federated_loss(model, w, clients)},
    }  # fmt: skip
    dropped = fedavg(model, clients, np.zeros(610), systems=Stragglers(0.9, "drop"), **settings)
    kept = fedprox(
        model, clients, np.zeros(610), proximal_weight=1.0, systems=Stragglers(0.9), **settings
    )
    assert np.mean(kept.traces["loss"][-10:]) < 0.7 * np.mean(dropped.traces["loss"][-10:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"proximal_weight": -1.0}, "proximal_weight must be finite and >= 0, got -1"),
        ({"proximal_weight": np.inf}, "proximal_weight must be finite and >= 0, got inf"),
        ({"scheme": "both"}, "scheme must be one of 'by examples', 'by weight', got 'both'"),
        ({"client_fraction": 0.0}, r"fraction must be in \(0, 1\], got 0.0"),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fedprox(
            LeastSquares(1), PAIR, np.zeros(1), **(SETTINGS | {"proximal_weight": 1.0} | changes)
        )
