"""One model or many: the global model, each client alone, and what lies between, compared.

The choice is the subject of Smith et al., "Federated multi-task learning", NIPS 2017,
arXiv:1705.10467. One model for all has the most examples and ignores that clients differ; a client
alone has few. `one_or_many` measures both, and two ways between them, `ditto` and `mocha`, where
the truth is known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlsys_lib.core.validate import integer, non_negative, positive_int
from mlsys_lib.federated_learning.clients import Client, check_clients, pooled
from mlsys_lib.federated_learning.ditto import personal_model
from mlsys_lib.federated_learning.mocha import exact_multi_task
from mlsys_lib.federated_learning.model import Model

Choose = Callable[[np.ndarray], np.ndarray]
METHODS = ("global", "local", "ditto", "mocha")
SETTINGS = tuple(float(10.0**power) for power in np.arange(-2.5, 2.0, 0.75))
"""Penalties that each method chooses from: the ridge of global and local, Ditto's λ, MOCHA's λ₁."""
NUM_VALIDATION = 20
"""Examples of each client by which the setting is chosen."""


def global_model(
    model: Model, clients: Sequence[Client], start: np.ndarray, *, tolerance: float = 1e-8
) -> np.ndarray:
    """Return the minimum of the loss of all examples, of shape (k,); see `personal_model`."""
    return personal_model(model, pooled(clients), start, 0.0, tolerance=tolerance)


def local_models(
    model: Model, clients: Sequence[Client], start: np.ndarray, *, tolerance: float = 1e-8
) -> np.ndarray:
    """Return each client's own minimum, of shape (m, k); nothing is sent.

    Where a client's examples leave a direction open, it keeps the start's value there.
    """
    check_clients(clients)
    return np.array(
        [personal_model(model, client, start, 0.0, tolerance=tolerance) for client in clients]
    )


def personal_accuracy(model: Model, weights: np.ndarray, clients: Sequence[Client]) -> np.ndarray:
    """Return the share of each client's examples that its own model gets right.

    Parameters
    ----------
    model : Model
        Of classes.
    weights : ndarray of shape (m, k), or (k,) for one model of all
    clients : sequence of Client
        With the examples to test on.

    Returns
    -------
    ndarray of shape (m,)

    Examples
    --------
    >>> from mlsys_lib.federated_learning.model import SoftmaxRegression
    >>> model, x = SoftmaxRegression(1, 2), np.array([[1.0], [-1.0]])
    >>> one, other = Client(x, np.array([1, 0])), Client(x, np.array([0, 1]))
    >>> line = np.array([-1.0, 1.0, 0.0, 0.0])
    >>> personal_accuracy(model, line, [one, other])
    array([1., 0.])
    >>> personal_accuracy(model, np.array([line, -line]), [one, other])
    array([1., 1.])
    """
    check_clients(clients)
    weights = np.asarray(weights)
    m, k = len(clients), model.num_weights
    if weights.shape not in ((k,), (m, k)):
        raise ValueError(f"weights must have shape ({k},) or ({m}, {k}), got {weights.shape}")
    rows = np.broadcast_to(weights, (m, k))
    return np.array(
        [np.mean(model.predict(w, c.X) == c.y) for w, c in zip(rows, clients, strict=True)]
    )


@dataclass(frozen=True, eq=False)
class OneOrMany:
    """Errors by spread and by size.

    Attributes
    ----------
    spreads : tuple of float
        How far the clients' true weights lie from their mean, in each coordinate (std).
    sizes : tuple of int
        Examples of each client.
    errors : dict of str to ndarray of shape (num_spreads, num_sizes)
        For each method the squared distance of a client's weights from its true ones, mean of the
        clients and median of the seeds. It is the test loss above the best possible, twice.
    """

    spreads: tuple[float, ...]
    sizes: tuple[int, ...]
    errors: dict[str, np.ndarray]

    def best(self) -> list[list[str]]:
        """Return the method with the least error, by spread and by size."""
        table = np.array([self.errors[name] for name in METHODS]).argmin(axis=0)
        return [[METHODS[i] for i in row] for row in table]


def one_or_many(
    spreads: Sequence[float] = (0.0, 0.1, 0.3, 1.0, 3.0),
    sizes: Sequence[int] = (3, 6, 12, 50, 200),
    *,
    num_clients: int = 10,
    num_features: int = 5,
    noise: float = 1.0,
    opposed: bool = False,
    num_seeds: int = 5,
) -> OneOrMany:
    """Compare one model, a model for each client, Ditto and MOCHA on linear regression.

    Client i has y = x·w_i + noise, x standard normal and w_i = shared + spread · (standard normal).
    Each method is solved exactly, and takes of seven settings the one with the least loss on 20
    further examples of each client, which a real client would have to spare.

    Parameters
    ----------
    spreads : sequence of float
        ≥ 0.
    sizes : sequence of int
        n_i ≥ 1, the same for all clients. Larger sizes hold the examples of smaller ones.
    num_clients, num_features : int
        m and d.
    noise : float
        Its standard deviation, ≥ 0.
    opposed : bool
        Turn the sign of `shared` round for every other client. MOCHA can learn that clients are
        opposed; a mean cannot.
    num_seeds : int
        Draws of everything, shared by all spreads and sizes.

    Returns
    -------
    OneOrMany

    Examples
    --------
    Few examples and like clients ask for one model, many and unlike ones for many.

    >>> found = one_or_many(spreads=(0.0, 3.0), sizes=(3, 200), num_seeds=3)
    >>> bool(found.errors["global"][0, 0] < found.errors["local"][0, 0])
    True
    >>> bool(found.errors["local"][1, 1] < found.errors["global"][1, 1])
    True
    """
    spreads = tuple(non_negative("spreads", spread) for spread in spreads)
    sizes = tuple(positive_int("sizes", size) for size in sizes)
    if not spreads or not sizes:
        raise ValueError("spreads and sizes must not be empty")
    non_negative("noise", noise)
    shape = positive_int("num_clients", num_clients), positive_int("num_features", num_features)
    errors = np.empty((integer("num_seeds", num_seeds, 1), len(spreads), len(sizes), len(METHODS)))
    for seed in range(num_seeds):
        draw = _Draw.of(shape, max(sizes), noise, seed)
        for row, spread in enumerate(spreads):
            for column, size in enumerate(sizes):
                errors[seed, row, column] = draw.errors(spread, size, opposed)
    medians = np.median(errors, axis=0)
    return OneOrMany(spreads, sizes, {name: medians[..., i] for i, name in enumerate(METHODS)})


class _Draw(NamedTuple):
    """Standard normal numbers of one seed: examples by client, validation first."""

    shared: np.ndarray  # (d,)
    apart: np.ndarray  # (m, d)
    X: np.ndarray  # (m, n, d)
    noises: np.ndarray  # (m, n)

    @classmethod
    def of(cls, shape: tuple[int, int], size: int, noise: float, seed: int) -> "_Draw":
        rng = np.random.default_rng(seed)
        (m, d), n = shape, size + NUM_VALIDATION
        return cls(
            rng.standard_normal(d),
            rng.standard_normal((m, d)),
            rng.standard_normal((m, n, d)),
            noise * rng.standard_normal((m, n)),
        )

    def errors(self, spread: float, size: int, opposed: bool) -> list[float]:
        """Return each method's mean squared distance from the true weights."""
        signs = np.where(np.arange(len(self.apart)) % 2, -1.0, 1.0) if opposed else 1.0
        truth = np.reshape(signs, (-1, 1)) * self.shared + spread * self.apart
        y = np.einsum("mnd,md->mn", self.X, truth) + self.noises
        held, used = slice(NUM_VALIDATION), slice(NUM_VALIDATION, NUM_VALIDATION + size)

        def choose(candidates: np.ndarray) -> np.ndarray:
            guesses = np.einsum("mnd,smd->smn", self.X[:, held], candidates)
            return np.asarray(candidates[((guesses - y[:, held]) ** 2).mean(axis=(1, 2)).argmin()])

        found = fitted(self.X[:, used], y[:, used], choose)
        return [float(((found[name] - truth) ** 2).sum(axis=1).mean()) for name in METHODS]


def fitted(X: np.ndarray, y: np.ndarray, choose: Choose) -> dict[str, np.ndarray]:
    """Return each method's weights, of shape (m, d), for X of (m, n, d) and y of (m, n).

    `choose` picks from weights of shape (num_settings, m, d).
    """
    m, n, d = X.shape
    grams = np.einsum("mni,mnj->mij", X, X) / n
    moments = np.einsum("mni,mn->mi", X, y) / n
    zero = np.zeros((m, d))
    mean_grams, mean_moments = (np.broadcast_to(a.mean(0), a.shape) for a in (grams, moments))
    one = choose(_ridges(mean_grams, mean_moments, zero))
    clients = [Client(rows, targets) for rows, targets in zip(X, y, strict=True)]
    related = [exact_multi_task(clients, n * s, 0.0, num_updates=6)[0] for s in SETTINGS]
    return {
        "global": one,
        "local": choose(_ridges(grams, moments, zero)),
        "ditto": choose(_ridges(grams, moments, one)),
        "mocha": choose(np.array(related)),
    }


def _ridges(grams: np.ndarray, moments: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Minimise half the mean squared error + λ/2 ‖v - center‖² for each λ of the settings."""
    eye = np.eye(grams.shape[-1])
    return np.array(
        [
            np.linalg.solve(grams + s * eye, (moments + s * center)[..., None])[..., 0]
            for s in SETTINGS
        ]
    )
