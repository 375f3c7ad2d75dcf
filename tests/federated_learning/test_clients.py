import numpy as np
import pytest

from mlsys_lib.federated_learning.clients import (
    Client,
    checked_client_weights,
    client_weights,
    pooled,
)

CLIENTS = [Client(np.full((n, 2), n), np.full(n, n)) for n in (3, 1, 4)]


def test_client_weights_are_shares_of_all_examples() -> None:
    np.testing.assert_array_equal(client_weights(CLIENTS), [3 / 8, 1 / 8, 4 / 8])
    assert client_weights(CLIENTS[:1]).tolist() == [1.0]


def test_pooling_keeps_every_example_in_order() -> None:
    together = pooled(CLIENTS)
    assert together.y.tolist() == [3, 3, 3, 1, 4, 4, 4, 4]
    np.testing.assert_array_equal(together.X[:, 1], together.y)


def test_integers_become_floats_and_float32_stays() -> None:
    assert Client(np.ones((2, 1), np.uint8), np.zeros(2, int)).X.dtype == np.float64
    assert Client(np.ones((2, 1), np.float32), np.zeros(2, int)).X.dtype == np.float32


def test_given_weights_need_not_be_by_examples() -> None:
    np.testing.assert_array_equal(checked_client_weights(CLIENTS, [0, 0.25, 0.75]), [0, 0.25, 0.75])
    np.testing.assert_array_equal(checked_client_weights(CLIENTS, None), client_weights(CLIENTS))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones((0, 2)), np.ones(0), "a client must have at least one example, got none"),
        (np.ones((3, 2)), np.ones(2), r"shapes \(n, d\) and \(n,\), got \(3, 2\), \(2,\)"),
        (np.ones(3), np.ones(3), r"shapes \(n, d\) and \(n,\), got \(3,\), \(3,\)"),
        (np.array([[np.nan]]), np.ones(1), r"X must be finite, got nan at \[0, 0\]"),
        (np.ones((1, 1)), np.array([np.inf]), r"y must be finite, got inf at \[0\]"),
    ],
)
def test_examples_that_cannot_be_learned_from_are_refused(X, y, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Client(X, y)


def test_words_are_no_numbers() -> None:
    with pytest.raises(TypeError, match="y must hold numbers, got <U3"):
        Client(np.ones((1, 1)), np.array(["cat"]))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.5], r"client_weights must have shape \(3,\), got \(2,\)"),
        ([0.5, 0.5, 0.1], "client_weights must sum to one, got 1.1"),
        ([1.5, -0.5, 0.0], "client_weights must be finite and >= 0, got"),
        ([np.nan, 0.5, 0.5], "client_weights must be finite and >= 0, got"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_client_weights(CLIENTS, weights)


def test_clients_must_exist_and_be_alike() -> None:
    with pytest.raises(ValueError, match="clients must hold at least one client, got none"):
        client_weights([])
    unlike = [*CLIENTS, Client(np.ones((1, 3)), np.ones(1))]
    with pytest.raises(ValueError, match=r"the same number of features, got \[2, 3\]"):
        client_weights(unlike)
