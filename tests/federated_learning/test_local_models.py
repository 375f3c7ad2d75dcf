"""One model or many: global, local, Ditto and MOCHA compared."""

import importlib

import numpy as np
import pytest

from mlsys_lib.distributed_optimization import Squared
from mlsys_lib.federated_learning.clients import Client, pooled
from mlsys_lib.federated_learning.ditto import personal_model
from mlsys_lib.federated_learning.local_models import (
    METHODS,
    SETTINGS,
    OneOrMany,
    fitted,
    global_model,
    local_models,
    one_or_many,
    personal_accuracy,
)
from mlsys_lib.federated_learning.mocha import mocha
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.objective import client_losses, federated_gradient

module = importlib.import_module("mlsys_lib.federated_learning.local_models")  # not the function


def draw(m: int = 4, n: int = 7, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((m, n, d)), rng.standard_normal((m, n))


def as_clients(X: np.ndarray, y: np.ndarray) -> list[Client]:
    return [Client(a, b) for a, b in zip(X, y, strict=True)]


@pytest.fixture(scope="module")
def compared() -> OneOrMany:
    return one_or_many()


@pytest.fixture(scope="module")
def opposed() -> OneOrMany:
    return one_or_many(spreads=(0.0, 0.3), sizes=(3, 12), opposed=True)


# --- oracle -----------------------------------------------------------------------------------


def test_the_global_model_is_least_squares_on_all_examples_and_local_ones_on_their_own() -> None:
    clients = [*as_clients(*draw()), *as_clients(*draw(2, 4))]
    everything = pooled(clients)
    one = global_model(LeastSquares(3), clients, np.zeros(3))
    np.testing.assert_allclose(one, np.linalg.lstsq(everything.X, everything.y)[0], atol=1e-7)
    many = local_models(LeastSquares(3), clients, np.zeros(3))
    alone = [np.linalg.lstsq(c.X, c.y)[0] for c in clients]
    np.testing.assert_allclose(many, alone, atol=1e-6)


def test_logistic_models_agree_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    X, z = draw(3, 40)
    clients = [Client(a, (b > 0).astype(int)) for a, b in zip(X, z, strict=True)]
    model = SoftmaxRegression(3, 2, penalty=0.05)
    found = local_models(model, clients, np.zeros(8))
    for client, weights in zip(clients, found, strict=True):
        # Two rows w and -w of the softmax have twice the square of one.
        other = LogisticRegression(C=1 / (0.05 * 40 / 2), tol=1e-10).fit(client.X, client.y)
        difference = weights.reshape(4, 2) @ [-1, 1]
        np.testing.assert_allclose(difference[:3], other.coef_[0], atol=1e-4)
        np.testing.assert_allclose(difference[3], other.intercept_[0], atol=1e-4)


@pytest.mark.parametrize("setting", range(len(SETTINGS)))
def test_the_closed_forms_are_the_methods(setting: int) -> None:
    """Each method of the comparison, at each of its settings, by the file that teaches it."""
    X, y = draw()
    clients, s = as_clients(X, y), SETTINGS[setting]
    found = fitted(X, y, lambda candidates: candidates[setting])
    model, zero = LeastSquares(3, penalty=s), np.zeros(3)
    np.testing.assert_allclose(found["local"], local_models(model, clients, zero), atol=1e-6)
    one = global_model(model, clients, zero)
    np.testing.assert_allclose(found["global"], np.tile(one, (4, 1)), atol=1e-6)
    near = [personal_model(LeastSquares(3), c, one, s) for c in clients]
    np.testing.assert_allclose(found["ditto"], near, atol=1e-6)
    run = mocha(clients, Squared(), 7 * s, 0.0, num_updates=6, num_rounds=3000, tolerance=1e-10)
    np.testing.assert_allclose(found["mocha"], run.weights, atol=1e-3)


# --- law --------------------------------------------------------------------------------------


def test_local_models_have_the_least_training_losses_and_the_global_one_no_gradient() -> None:
    clients = as_clients(*draw())
    model = LeastSquares(3)
    one = global_model(model, clients, np.zeros(3))
    assert np.linalg.norm(federated_gradient(model, one, clients)) < 1e-7
    many = local_models(model, clients, np.zeros(3))
    own = [model.loss(w, c.X, c.y) for w, c in zip(many, clients, strict=True)]
    assert (own <= client_losses(model, one, clients)).all()


def test_one_model_wins_with_like_clients_and_few_examples_and_many_at_the_other_end(
    compared: OneOrMany,
) -> None:
    errors = compared.errors
    assert (errors["global"][0] < errors["local"][0]).all()
    assert errors["global"][0, 0] < 0.1 * errors["local"][0, 0]
    assert errors["local"][-1, -1] < 0.01 * errors["global"][-1, -1]
    assert compared.best()[0][0] == "global"
    assert compared.best()[-1][-1] == "local"


def test_in_between_a_model_near_the_shared_one_wins(compared: OneOrMany) -> None:
    errors, row, column = compared.errors, 2, 2  # spread 0.3, 12 examples
    both = min(errors["global"][row, column], errors["local"][row, column])
    assert errors["ditto"][row, column] < 0.8 * both


def test_more_examples_help_and_spread_hurts_the_global_model_only(compared: OneOrMany) -> None:
    for name in ("local", "ditto", "mocha"):
        assert (np.diff(compared.errors[name][:, ::2], axis=1) < 0).all()  # 3, 12, 200
    assert (np.diff(compared.errors["global"], axis=0) > 0).all()
    of_local = compared.errors["local"][:, -1]  # enough examples: spread does not matter
    assert of_local.max() < 1.3 * of_local.min()


def test_relations_that_are_learned_beat_a_mean_where_clients_are_opposed(
    opposed: OneOrMany,
) -> None:
    """MOCHA's Σ may be negative; Ditto's shared model is near zero and of no use."""
    for other in ("global", "local", "ditto"):
        assert (opposed.errors["mocha"] < 0.95 * opposed.errors[other]).all()


def test_seeds_and_sizes_share_their_draws() -> None:
    one = one_or_many(spreads=(0.3,), sizes=(3, 12), num_seeds=1)
    again = one_or_many(spreads=(0.3, 1.0), sizes=(3, 12), num_seeds=1)
    for name in METHODS:
        assert (one.errors[name][0] == again.errors[name][0]).all()


@pytest.mark.parametrize("planted", ["sums for means", "center forgotten"])
def test_wrong_closed_forms_are_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = module._ridges
    if planted == "sums for means":
        monkeypatch.setattr(module, "_ridges", lambda g, b, c: right(7 * g, 7 * b, c))
    else:
        monkeypatch.setattr(module, "_ridges", lambda g, b, c: right(g, b, 0 * c))
    with pytest.raises(AssertionError):
        test_the_closed_forms_are_the_methods(3)


# --- edge -------------------------------------------------------------------------------------


def test_directions_without_examples_keep_the_start() -> None:
    client = Client(np.array([[1.0, 0.0]]), np.array([2.0]))
    found = local_models(LeastSquares(2), [client], np.array([0.0, 7.0]))
    np.testing.assert_allclose(found, [[2.0, 7.0]], atol=1e-7)


def test_one_client_one_feature_one_example_one_seed() -> None:
    found = one_or_many((0.5,), (1,), num_clients=1, num_features=1, num_seeds=1)
    assert set(found.errors) == set(METHODS)
    assert all(errors.shape == (1, 1) for errors in found.errors.values())
    assert found.errors["global"] == pytest.approx(found.errors["local"])


def test_without_noise_enough_examples_give_the_truth() -> None:
    found = one_or_many((1.0,), (20,), noise=0.0, num_seeds=1)
    assert found.errors["local"][0, 0] < 1e-3
    assert found.errors["global"][0, 0] > 1


def test_clients_of_one_class_can_be_scored() -> None:
    client = Client(np.ones((3, 1)), np.ones(3, int))
    scores = personal_accuracy(SoftmaxRegression(1, 2), np.array([0.0, 1.0, 0.0, 0.0]), [client])
    assert scores.tolist() == [1.0]


# --- error ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"spreads": ()}, "spreads and sizes must not be empty"),
        ({"sizes": ()}, "spreads and sizes must not be empty"),
        ({"spreads": (-1.0,)}, r"spreads must be finite and >= 0, got -1\.0"),
        ({"sizes": (0,)}, "sizes must be an integer >= 1, got 0"),
        ({"noise": -1.0}, r"noise must be finite and >= 0, got -1\.0"),
        ({"num_clients": 0}, "num_clients must be an integer >= 1, got 0"),
        ({"num_features": 0}, "num_features must be an integer >= 1, got 0"),
        ({"num_seeds": 0}, "num_seeds must be an integer >= 1, got 0"),
    ],
)
def test_a_bad_comparison_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one_or_many(**changed)  # type: ignore[arg-type]


def test_bad_weights_and_no_clients_are_refused() -> None:
    model, client = SoftmaxRegression(1, 2), Client(np.ones((1, 1)), np.zeros(1, int))
    with pytest.raises(
        ValueError, match=r"weights must have shape \(4,\) or \(2, 4\), got \(3, 4\)"
    ):
        personal_accuracy(model, np.zeros((3, 4)), [client] * 2)
    for function in (local_models, global_model):
        with pytest.raises(ValueError, match="clients must hold at least one client, got none"):
            function(model, [], np.zeros(4))
    with pytest.raises(ValueError, match="clients must hold at least one client, got none"):
        personal_accuracy(model, np.zeros(4), [])
