"""Differentially private FedAvg: clipping and Gaussian noise hide whether a client took part.

McMahan, Ramage, Talwar & Zhang, "Learning differentially private recurrent language models", ICLR
2018, arXiv:1710.06963, algorithm 1, with the estimator of fixed denominator:

    w ← w + (Σ_{i in S_t} clip(w_i - w) + N(0, (z S)² I)) / (C m)

Each client joins a round by its own coin, with probability C, and changes the sum by S at most. The
`accountant` turns noise multiplier z, C and the number of rounds into a guarantee.

Ours counts all clients alike (the paper's weights min(n_i / cap, 1) for a cap of one example), and
clips the whole vector (its "flat" clipping). The noise is NumPy's, made of floats, whose last bits
tell about what they were added to (Mironov, CCS 2012, doi:10.1145/2382196.2382264): a teaching
version.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import non_negative, positive
from mlsys_lib.federated_learning.aggregation import Update


def clip(change: np.ndarray, clip_norm: float) -> np.ndarray:
    """Return the change, shortened to Euclidean length `clip_norm` where it is longer.

    >>> clip(np.array([3.0, 4.0]), 1.0), clip(np.array([0.3, 0.4]), 1.0)
    (array([0.6, 0.8]), array([0.3, 0.4]))
    """
    positive("clip_norm", clip_norm)
    largest = float(np.abs(change).max(initial=0.0))
    if largest == 0:
        return change.copy()
    norm = largest * float(np.linalg.norm(change / largest))  # squares do not overflow
    return np.asarray(change * min(1.0, clip_norm / norm))


class PoissonSampling:
    """Each client joins a round by its own coin: what the `accountant` assumes.

    Parameters
    ----------
    client_fraction : float
        C, the probability, in (0, 1]. The number of clients varies. With probability (1 - C)^m
        nobody comes, which `PrivateMean` takes and other aggregations refuse.
    """

    def __init__(self, client_fraction: float) -> None:
        self.client_fraction = _fraction(client_fraction)

    def __call__(
        self, round: int, client_weights: np.ndarray, rng: np.random.Generator
    ) -> list[int]:
        """Return the clients of the round, in rising order."""
        return np.flatnonzero(rng.random(len(client_weights)) < self.client_fraction).tolist()


class PrivateMean:
    """Aggregation of algorithm 1: clip each client's change, add, add noise, divide by C m.

    Parameters
    ----------
    clip_norm : float
        S > 0, the most that one client can change the sum.
    noise_multiplier : float
        z ≥ 0; the noise on each number of the *sum* has standard deviation z S.
    client_fraction : float
        C of the `PoissonSampling` that goes with it. Divided is by the expected number of clients,
        C m: the true number is itself a fact about who took part.
    rng : numpy.random.Generator
        Of the noise. It is added in rounds without an answer too: a round without noise would tell
        that nobody was in it.

    Examples
    --------
    >>> updates = [Update(i, np.array([3.0, 4.0]), 10, 1, 0.0) for i in range(2)]
    >>> average = PrivateMean(1.0, 0.0, 0.5, np.random.default_rng(0))
    >>> average(np.zeros(2), updates, np.full(4, 0.25))
    array([0.6, 0.8])
    """

    takes_nobody = True

    def __init__(
        self,
        clip_norm: float,
        noise_multiplier: float,
        client_fraction: float,
        rng: np.random.Generator,
    ) -> None:
        self.clip_norm = positive("clip_norm", clip_norm)
        self.noise_multiplier = non_negative("noise_multiplier", noise_multiplier)
        self.client_fraction = _fraction(client_fraction)
        self._rng = rng

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return the next weights.

        Raises
        ------
        ValueError
            If a client is in the round twice: its change would count twice.
        """
        chosen = [update.client for update in updates]
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"updates must be of different clients, got {chosen}")
        total = np.zeros_like(weights)
        for update in updates:
            half = update.weights / 2 - weights / 2  # finite, however far apart they are
            total += 2 * clip(half, self.clip_norm / 2)
        std = self.noise_multiplier * self.clip_norm
        total += self._rng.normal(0.0, std, total.shape)
        return np.asarray(weights + total / (self.client_fraction * len(client_weights)))


def _fraction(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"client_fraction must be in (0, 1], got {value!r}")
    return float(value)
