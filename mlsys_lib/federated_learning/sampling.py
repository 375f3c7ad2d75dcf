"""Sampling: which clients take part in a round.

McMahan et al., AISTATS 2017, arXiv:1602.05629, draw a share C of the clients, each alike and none
twice; so does FedProx's released code. FedProx, MLSys 2020, arXiv:1812.06127, algorithm 2, draws K
times by p_i with replacement. Each goes with its own average; see `aggregation`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsys_lib.core.validate import positive_int


class Sampling(Protocol):
    """A rule for who takes part."""

    def __call__(
        self, round: int, client_weights: np.ndarray, rng: np.random.Generator
    ) -> list[int]:
        """Return the clients of a round.

        Parameters
        ----------
        round : int
            From 0.
        client_weights : ndarray of shape (m,)
            p_i.
        rng : Generator
            This round's own.

        Returns
        -------
        list of int
            Clients, in rising order. One that is in it twice works once and counts twice.
        """


@dataclass(frozen=True)
class Everyone:
    """All clients in every round."""

    def __call__(
        self, round: int, client_weights: np.ndarray, rng: np.random.Generator
    ) -> list[int]:
        """Return 0 … m - 1."""
        return list(range(len(client_weights)))


@dataclass(frozen=True)
class UniformWithoutReplacement:
    """A share of the clients, each alike and none twice.

    Attributes
    ----------
    fraction : float
        C in (0, 1]: C m clients, rounded, and at least one.

    Examples
    --------
    >>> UniformWithoutReplacement(0.3)(0, np.full(10, 0.1), np.random.default_rng(0))
    [5, 6, 9]
    """

    fraction: float

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be in (0, 1], got {self.fraction!r}")

    def num_sampled(self, num_clients: int) -> int:
        """Return how many of `num_clients` take part."""
        return max(1, round(self.fraction * num_clients))

    def __call__(
        self, round: int, client_weights: np.ndarray, rng: np.random.Generator
    ) -> list[int]:
        """Return max(1, C m) clients."""
        m = len(client_weights)
        return sorted(rng.choice(m, self.num_sampled(m), replace=False).tolist())


@dataclass(frozen=True)
class ProportionalWithReplacement:
    """K draws, each client with probability p_i; one may be drawn more than once.

    Attributes
    ----------
    num_sampled : int
        K ≥ 1. It may exceed m.
    """

    num_sampled: int

    def __post_init__(self) -> None:
        positive_int("num_sampled", self.num_sampled)

    def __call__(
        self, round: int, client_weights: np.ndarray, rng: np.random.Generator
    ) -> list[int]:
        """Return K clients with repetitions."""
        m = len(client_weights)
        return sorted(rng.choice(m, self.num_sampled, p=client_weights).tolist())
