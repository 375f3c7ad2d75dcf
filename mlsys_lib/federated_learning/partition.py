"""Partitions: how one data set is dealt to clients, alike or not.

Each returns one array of indices per client; together they hold every example once. What differs is
what a client has:

* `iid_partition`: a random part of everything.
* `dirichlet_partition`: classes in proportions from a Dirichlet distribution. Hsu, Qi & Brown,
  "Measuring the effects of non-identical data distribution for federated visual classification",
  2019, arXiv:1909.06335.
* `shard_partition`: a few classes. McMahan et al., AISTATS 2017, arXiv:1602.05629, section 3:
  sort by class, cut into shards, two shards a client.
* `lognormal_partition`, `power_law_partition`: more or fewer examples, of everything. FedProx,
  MLSys 2020, arXiv:1812.06127, has sizes of both kinds.
"""

import numpy as np

from mlsys_lib.core.validate import integer, non_negative, positive, positive_int

Parts = list[np.ndarray]


def iid_partition(num_examples: int, num_clients: int, *, seed: int = 0) -> Parts:
    """Deal shuffled examples, sizes differing by one at most.

    Parameters
    ----------
    num_examples : int
        n ≥ m.
    num_clients : int
        m.
    seed : int

    Returns
    -------
    list of ndarray
        Of each client its indices, int64, rising.

    Examples
    --------
    >>> [part.tolist() for part in iid_partition(7, 3)]
    [[2, 3, 4], [5, 6], [0, 1]]
    """
    n, m = _counts(num_examples, num_clients)
    return _cut(_rng(seed).permutation(n), _even(n, m))


def dirichlet_partition(
    labels: np.ndarray, num_clients: int, concentration: float, *, seed: int = 0
) -> Parts:
    """Deal each client a mixture of classes of its own, all clients the same size.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
    num_clients : int
        m ≤ n.
    concentration : float
        α > 0: near 0 a client has one class, towards inf all have the mixture of all data.
    seed : int

    Returns
    -------
    list of ndarray
        As from `iid_partition`; sizes differ by one at most.

    Notes
    -----
    Client i's proportions are drawn from Dir(α · shares of the classes · number of classes). The
    paper's base is uniform, as its data are; with equal classes the two agree. Its clients draw one
    by one from what is left, and a class that has run out is struck from the rest of their
    proportions: so does ours, with counts rounded by largest remainders. The last clients
    therefore get what is left, whatever α.
    """
    labels = _checked_labels(labels)
    n, m = _counts(len(labels), num_clients)
    alpha, rng = positive("concentration", concentration), _rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    pools = [rng.permutation(np.flatnonzero(labels == c)) for c in classes]
    left, base, parts = counts.copy(), alpha * len(classes) * counts / n, []
    for size in _even(n, m):
        takes = _mixture(size, left, _dirichlet(base, rng))
        taken = [pool[at - take : at] for pool, at, take in zip(pools, left, takes, strict=True)]
        parts.append(np.sort(np.concatenate(taken)))
        left -= takes
    return parts


def shard_partition(
    labels: np.ndarray, num_clients: int, *, shards_per_client: int = 2, seed: int = 0
) -> Parts:
    """Sort by class, cut into equal shards and deal these: most clients get two classes.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
    num_clients : int
        m.
    shards_per_client : int
        At most n / m. Where a cut falls within a class, a client may see one class more than it has
        shards, for each of them.
    seed : int

    Returns
    -------
    list of ndarray
        As from `iid_partition`. If n is no multiple of the number of shards, some have one example
        more.

    Examples
    --------
    >>> labels = np.repeat([0, 1, 2, 3], 4)
    >>> [labels[part].tolist() for part in shard_partition(labels, 4, shards_per_client=1)]
    [[0, 0, 0, 0], [2, 2, 2, 2], [1, 1, 1, 1], [3, 3, 3, 3]]
    """
    labels = _checked_labels(labels)
    shards = positive_int("shards_per_client", shards_per_client)
    m = positive_int("num_clients", num_clients)
    if m * shards > len(labels):
        raise ValueError(
            f"num_clients times shards_per_client must be <= {len(labels)} examples, "
            f"got {m * shards}"
        )
    rng = _rng(seed)
    order = rng.permutation(len(labels))  # ties of the sort in random order
    order = order[np.argsort(labels[order], kind="stable")]
    cut = _cut(order, _even(len(labels), m * shards))
    dealt = rng.permutation(m * shards).reshape(m, shards)
    return [np.sort(np.concatenate([cut[s] for s in row])) for row in dealt]


def lognormal_partition(
    num_examples: int, num_clients: int, spread: float, *, seed: int = 0
) -> Parts:
    """Deal shuffled examples in parts whose sizes are lognormal.

    Parameters
    ----------
    num_examples, num_clients, seed
        As for `iid_partition`.
    spread : float
        Standard deviation of the logarithm, ≥ 0; FedProx's synthetic data have 2.

    Returns
    -------
    list of ndarray
        As from `iid_partition`. Each client has one example, and a share of the others in
        proportion to its draw.
    """
    n, m = _counts(num_examples, num_clients)
    spread, rng = non_negative("spread", spread), _rng(seed)
    draws = spread * rng.normal(size=m)
    return _cut(rng.permutation(n), _sizes(n, np.exp(draws - draws.max())))


def power_law_partition(
    num_examples: int, num_clients: int, exponent: float, *, seed: int = 0
) -> Parts:
    """Deal shuffled examples in parts whose sizes fall like rank^(-ξ), ranks dealt by chance.

    Parameters
    ----------
    num_examples, num_clients, seed
        As for `iid_partition`.
    exponent : float
        ξ ≥ 0; with 1 the largest client has about twice as many as the second.

    Returns
    -------
    list of ndarray
        As from `lognormal_partition`.
    """
    n, m = _counts(num_examples, num_clients)
    exponent, rng = non_negative("exponent", exponent), _rng(seed)
    shares = np.arange(1.0, m + 1) ** -exponent
    return _cut(rng.permutation(n), _sizes(n, rng.permutation(shares)))


def _mixture(size: int, left: np.ndarray, proportions: np.ndarray) -> np.ndarray:
    """Return how many of each class one client of `size` takes from what is left."""
    takes = np.zeros(len(left), np.int64)
    while (missing := int(size - takes.sum())) > 0:
        wanted = np.where(left > takes, proportions, 0.0)
        if wanted.sum() == 0:  # all that it wants is gone
            wanted = (left - takes).astype(np.float64)
        takes = np.minimum(left, takes + _apportioned(missing, wanted))
    return takes


def _dirichlet(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw from the Dirichlet distribution; tiny concentrations give one class, not 0 / 0."""
    draw = rng.dirichlet(base)
    if np.isfinite(draw).all():
        return np.asarray(draw)
    return rng.multinomial(1, base / base.sum()).astype(np.float64)


def _sizes(n: int, shares: np.ndarray) -> list[int]:
    """Return sizes that sum to n: one each, the others in proportion to the shares."""
    return [1 + int(size) for size in _apportioned(n - len(shares), shares)]


def _apportioned(total: int, shares: np.ndarray) -> np.ndarray:
    """Return whole numbers in proportion to the shares that sum to `total`: largest remainders."""
    ideal = total * (shares / shares.sum())
    whole = np.floor(ideal).astype(np.int64)
    whole[np.argsort(whole - ideal, kind="stable")[: total - whole.sum()]] += 1
    return np.asarray(whole)


def _even(n: int, m: int) -> list[int]:
    return [n // m + (i < n % m) for i in range(m)]


def _cut(order: np.ndarray, sizes: list[int]) -> Parts:
    return [np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1])]


def _counts(num_examples: int, num_clients: int) -> tuple[int, int]:
    m = positive_int("num_clients", num_clients)
    return integer("num_examples", num_examples, m), m


def _checked_labels(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be one integer for each example, got {labels.dtype} "
            f"of shape {labels.shape}"
        )
    return labels


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(integer("seed", seed, 0))
