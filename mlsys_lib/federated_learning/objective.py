"""The federated objective f(w) = Σ p_i f_i(w), and how unlike the clients' parts of it are.

Li et al., "Federated optimization in heterogeneous networks" (FedProx), MLSys 2020,
arXiv:1812.06127. With p_i = n_i / n and means f_i, f is the mean loss of all examples together.
"""

import math
from collections.abc import Sequence

import numpy as np

from mlsys_lib.federated_learning.clients import Client, checked_client_weights
from mlsys_lib.federated_learning.model import Model

Shares = np.ndarray | Sequence[float] | None


def federated_loss(
    model: Model, weights: np.ndarray, clients: Sequence[Client], client_weights: Shares = None
) -> float:
    """Return f(w) = Σ p_i f_i(w).

    Parameters
    ----------
    model : Model
    weights : ndarray of shape (k,)
    clients : sequence of Client
    client_weights : array of shape (m,), optional
        p_i ≥ 0 that sum to one; by default n_i / n.
    """
    shares = checked_client_weights(clients, client_weights)
    return float(shares @ client_losses(model, weights, clients))


def client_losses(model: Model, weights: np.ndarray, clients: Sequence[Client]) -> np.ndarray:
    """Return f_i(w) of each client, an array of shape (m,)."""
    return np.array([model.loss(weights, client.X, client.y) for client in clients])


def client_accuracies(model: Model, weights: np.ndarray, clients: Sequence[Client]) -> np.ndarray:
    """Return the share of right predictions of each client, an array of shape (m,)."""
    return np.array([np.mean(model.predict(weights, client.X) == client.y) for client in clients])


def client_gradients(model: Model, weights: np.ndarray, clients: Sequence[Client]) -> np.ndarray:
    """Return ∇f_i(w) of each client, an array of shape (m, k)."""
    return np.array([model.gradient(weights, client.X, client.y) for client in clients])


def federated_gradient(
    model: Model, weights: np.ndarray, clients: Sequence[Client], client_weights: Shares = None
) -> np.ndarray:
    """Return ∇f(w), of shape (k,); parameters as for `federated_loss`."""
    shares = checked_client_weights(clients, client_weights)
    return np.asarray(shares @ client_gradients(model, weights, clients))


def dissimilarity(
    model: Model, weights: np.ndarray, clients: Sequence[Client], client_weights: Shares = None
) -> float:
    """Return B(w) = √(Σ p_i ‖∇f_i‖² / ‖∇f‖²), definition 3 of FedProx.

    Returns
    -------
    float
        At least 1; equal to 1 if all gradients are equal. Near a minimum of f where the clients
        still pull in different directions it grows without bound, and there it is inf: the paper
        therefore asks for a bound only where ‖∇f‖² > ε. If all gradients are zero it is 1, as the
        paper defines.

    Notes
    -----
    Clients whose data come from one distribution have B > 1 too, as their samples are finite; B
    tends to 1 with the number of examples of the smallest.

    Examples
    --------
    Two clients, ½ w² and 5 (w - 1)², with the minimum of f at 10/11:

    >>> slope = np.sqrt(10.0)
    >>> pair = [
    ...     Client(np.ones((1, 1)), np.zeros(1)),
    ...     Client(np.full((1, 1), slope), np.full(1, slope)),
    ... ]
    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> [round(dissimilarity(LeastSquares(1), np.array([w]), pair), 3) for w in (5, 1.5, 0.92)]
    [1.267, 1.136, 14.368]
    """
    shares = checked_client_weights(clients, client_weights)
    gradients = client_gradients(model, weights, clients)
    squares = float(shares @ (gradients**2).sum(axis=1))
    common = float(np.sum((shares @ gradients) ** 2))
    if squares == 0:
        return 1.0
    return max(1.0, math.sqrt(squares / common)) if common > 0 else math.inf


def gradient_variance(
    model: Model, weights: np.ndarray, clients: Sequence[Client], client_weights: Shares = None
) -> float:
    """Return Σ p_i ‖∇f_i - ∇f‖², which is (B² - 1) ‖∇f‖² and stays finite at the minimum.

    Notes
    -----
    FedProx's released code plots this as "dissimilarity", with 1/m for the first p_i.
    """
    shares = checked_client_weights(clients, client_weights)
    gradients = client_gradients(model, weights, clients)
    return float(shares @ ((gradients - shares @ gradients) ** 2).sum(axis=1))
