"""The synthetic(α, β) data of FedProx: clients whose labelling and whose inputs differ as told.

Li et al., MLSys 2020, arXiv:1812.06127, section 5.1 and appendix C.1. Client i draws u_i ~ N(0, α²)
and v̄_i ~ N(0, β²), and from these

    W, b ~ N(u_i, 1),   v ~ N(v̄_i, 1),   x ~ N(v, Σ), Σ_jj = j^(-1.2),   y = argmax(x W + b).

α says how much the clients' models differ, β how much their inputs do. Labels have no noise.

The paper writes N(0, α) without saying variance or standard deviation. Its released generator
passes α and β as standard deviations, and so do we; `spread_is` takes the other reading. The two
agree for 0 and 1. The released generator has no seed, so nobody can draw the published data again:
ours has one, and is another draw.
"""

from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer, non_negative, one_of, positive_int
from mlsys_lib.federated_learning.clients import Client


@dataclass(frozen=True, eq=False)
class SyntheticData:
    """Clients to train on, and the same clients' examples to test on.

    Attributes
    ----------
    train, test : tuple of Client
        Of the same length, in the same order.
    """

    train: tuple[Client, ...]
    test: tuple[Client, ...]


def synthetic(
    model_spread: float = 1.0,
    input_spread: float = 1.0,
    *,
    iid: bool = False,
    num_clients: int = 30,
    num_features: int = 60,
    num_classes: int = 10,
    log_size: float = 4.0,
    log_size_std: float = 2.0,
    least_examples: int = 50,
    spread_is: str = "std",
    seed: int = 0,
) -> SyntheticData:
    """Draw the data of all clients.

    Parameters
    ----------
    model_spread, input_spread : float
        α and β, ≥ 0.
    iid : bool
        All clients share W and b ~ N(0, 1), and v = 0; α and β are not used.
    num_clients : int
        m: 30, as in FedProx. q-FFL uses 100.
    num_features, num_classes : int
        60 and 10.
    log_size, log_size_std, least_examples : float, float, int
        n_i = ⌊LogNormal(4, 2)⌋ + 50, of training and test together: half of the clients have fewer
        than 105 examples, one in forty has more than 2800. Give a smaller `log_size_std` for tests.
    spread_is : {"std", "variance"}
        How to read α and β.
    seed : int
        Each client has a generator of its own: the first ten of thirty clients are those of ten.

    Returns
    -------
    SyntheticData
        Of each client 90 % (rounded down, and at least one left over) to train on.

    Examples
    --------
    >>> data = synthetic(1, 1, num_clients=3, log_size_std=0.0)
    >>> [(c.X.shape, t.X.shape) for c, t in zip(data.train, data.test, strict=True)][0]
    ((93, 60), (11, 60))
    """
    spreads = _spreads(model_spread, input_spread, spread_is)
    m = positive_int("num_clients", num_clients)
    d, classes = (
        positive_int("num_features", num_features),
        positive_int("num_classes", num_classes),
    )
    non_negative("log_size_std", log_size_std)
    least, seed = integer("least_examples", least_examples, 2), integer("seed", seed, 0)
    if not np.isfinite(log_size):
        raise ValueError(f"log_size must be finite, got {log_size!r}")
    shared = np.random.default_rng([seed, 0]).normal(size=(d + 1, classes)) if iid else None
    train, test = [], []
    for i in range(m):
        rng = np.random.default_rng([seed, 1, i])
        n = int(rng.lognormal(log_size, log_size_std)) + least
        client = _client(n, spreads, shared, (d, classes), rng)
        cut = min(int(0.9 * n), n - 1)
        train.append(Client(client.X[:cut], client.y[:cut]))
        test.append(Client(client.X[cut:], client.y[cut:]))
    return SyntheticData(tuple(train), tuple(test))


def _spreads(model_spread: float, input_spread: float, spread_is: str) -> tuple[float, float]:
    """Return both standard deviations."""
    alpha = non_negative("model_spread", model_spread)
    beta = non_negative("input_spread", input_spread)
    if one_of("spread_is", spread_is, ("std", "variance")) == "variance":
        return float(np.sqrt(alpha)), float(np.sqrt(beta))
    return alpha, beta


def _client(
    n: int,
    spreads: tuple[float, float],
    shared: np.ndarray | None,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> Client:
    """Draw one client; `shared` holds everybody's W and b, if all are alike."""
    (alpha, beta), (d, classes) = spreads, shape
    if shared is None:
        own = rng.normal(rng.normal(0, alpha), 1, (d + 1, classes))
        center = rng.normal(rng.normal(0, beta), 1, d)
    else:
        own, center = shared, np.zeros(d)
    std = np.arange(1.0, d + 1) ** -0.6  # the root of Σ's diagonal
    X = center + std * rng.normal(size=(n, d))
    return Client(X, np.argmax(X @ own[:-1] + own[-1], axis=1))
