"""Clients and their weights: who has which examples, and how much each counts.

McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS
2017, arXiv:1602.05629: client i counts by its share of all examples, p_i = n_i / n.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Client:
    """One client's examples, which it does not give away.

    Attributes
    ----------
    X : ndarray of shape (n_i, d)
        Finite; integers are turned into float64.
    y : ndarray of shape (n_i,)
        Classes as integers, or finite numbers. A client may have one class only.

    Raises
    ------
    ValueError
        If there is no example, a number is not finite, or lengths differ.

    Examples
    --------
    >>> Client(np.ones((3, 2)), np.array([0, 1, 1])).num_examples
    3
    """

    X: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        X, y = np.asarray(self.X), np.asarray(self.y)
        if X.ndim != 2 or y.shape != (len(X),):
            raise ValueError(f"X and y must have shapes (n, d) and (n,), got {X.shape}, {y.shape}")
        if not len(X):
            raise ValueError("a client must have at least one example, got none")
        for name, values in (("X", X), ("y", y)):
            if values.dtype.kind not in "biuf":
                raise TypeError(f"{name} must hold numbers, got {values.dtype}")
            check_finite(name, values)
        object.__setattr__(self, "X", X if X.dtype.kind == "f" else X.astype(np.float64))
        object.__setattr__(self, "y", y)

    @property
    def num_examples(self) -> int:
        """Return n_i."""
        return len(self.y)


def client_weights(clients: Sequence[Client]) -> np.ndarray:
    """Return p_i = n_i / n of each client, an array of shape (m,).

    >>> client_weights([Client(np.ones((n, 1)), np.ones(n)) for n in (900, 100)])
    array([0.9, 0.1])
    """
    check_clients(clients)
    sizes = np.array([client.num_examples for client in clients])
    return np.asarray(sizes / sizes.sum())


def check_finite(name: str, values: np.ndarray) -> None:
    """Raise `ValueError` with the first number of an array that is not finite, and its place."""
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise ValueError(f"{name} must be finite, got {values[at]} at {list(at)}")


def check_clients(clients: Sequence[Client]) -> None:
    """Raise unless there is a client, and all have the same features."""
    if not len(clients):
        raise ValueError("clients must hold at least one client, got none")
    widths = sorted({client.X.shape[1] for client in clients})
    if len(widths) > 1:
        raise ValueError(f"clients must have the same number of features, got {widths}")


def checked_client_weights(
    clients: Sequence[Client], weights: np.ndarray | Sequence[float] | None
) -> np.ndarray:
    """Return the p_i to use: n_i / n, or the given ones if they are weights of these clients.

    Raises
    ------
    ValueError
        If there is not one for each client, one is negative or not finite, or they do not sum to
        one within 1e-9.
    """
    shares = client_weights(clients)
    if weights is None:
        return shares
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != shares.shape:
        raise ValueError(f"client_weights must have shape {shares.shape}, got {given.shape}")
    if not (np.isfinite(given).all() and (given >= 0).all()):
        raise ValueError(f"client_weights must be finite and >= 0, got {given.tolist()}")
    if abs(given.sum() - 1) > 1e-9:
        raise ValueError(f"client_weights must sum to one, got {float(given.sum())!r}")
    return given


def pooled(clients: Sequence[Client]) -> Client:
    """Return all examples in one place: what federated learning does without."""
    check_clients(clients)
    return Client(np.concatenate([c.X for c in clients]), np.concatenate([c.y for c in clients]))
