"""Local work: what a client does between two messages.

McMahan et al., AISTATS 2017, arXiv:1602.05629: E epochs of SGD with batches of b_i, from the
weights that it received. FedProx, MLSys 2020, arXiv:1812.06127, equation 2, adds the term

    λ/2 ‖w - w_t‖²

whose gradient is λ (w - w_t); the paper writes μ for λ. A client that is slow may stop early, and
what it has is used.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np

from mlsys_lib.core.validate import non_negative, positive, positive_int
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.model import Model

LearningRate = float | Callable[[int], float]
"""η, or η of each round, counted from 0."""


@dataclass
class ClientState:
    """What a client hears besides weights, sends besides weights, and remembers.

    It lives where the client lives, and stays from round to round.

    Attributes
    ----------
    round : int
        The round, from 0.
    server_control : ndarray of shape (k,), or None
        The second vector that the server sent, if the method has one.
    sent_control : ndarray of shape (k,), or None
        To be set by the local solver: the second vector of its answer.
    memory : dict of str to ndarray
        The client's own.
    """

    round: int = 0
    server_control: np.ndarray | None = None
    sent_control: np.ndarray | None = None
    memory: dict[str, np.ndarray] = field(default_factory=dict)


class LocalSolver(Protocol):
    """A client's work in one round."""

    def __call__(
        self,
        model: Model,
        client: Client,
        weights: np.ndarray,
        rng: np.random.Generator,
        work: float,
        state: ClientState,
    ) -> tuple[np.ndarray, int]:
        """Return the client's weights and how many steps it took.

        Parameters
        ----------
        weights : ndarray of shape (k,)
            w_t as received, the client's own copy.
        rng : Generator
            Of this client in this round.
        work : float
            In (0, 1]: the share of its work that it has time for.
        state : ClientState
        """


@dataclass(frozen=True)
class LocalSgd:
    """E epochs of SGD, with or without the proximal term.

    Attributes
    ----------
    local_epochs : int
        E ≥ 1.
    batch_size : int or None
        b_i; None for all examples at once. A client with fewer takes all of them.
    learning_rate : float, or callable of the round
        η > 0.
    proximal_weight : float
        λ ≥ 0. With 0 the term is not computed, and the result is FedAvg's to the last bit.

    Notes
    -----
    Each epoch goes through the examples in a new order, and its last batch may be short. Of
    E ⌈n_i / b_i⌉ steps a client with less `work` takes that share, rounded, and at least one.

    Examples
    --------
    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> solver, client = LocalSgd(2, None, 0.5), Client(np.ones((1, 1)), np.zeros(1))
    >>> rng, state = np.random.default_rng(0), ClientState()
    >>> solver(LeastSquares(1), client, np.array([4.0]), rng, 1.0, state)
    (array([1.]), 2)
    """

    local_epochs: int
    batch_size: int | None
    learning_rate: LearningRate
    proximal_weight: float = 0.0

    def __post_init__(self) -> None:
        positive_int("local_epochs", self.local_epochs)
        if self.batch_size is not None:
            positive_int("batch_size", self.batch_size)
        self.rate(0)
        non_negative("proximal_weight", self.proximal_weight)

    def __call__(
        self,
        model: Model,
        client: Client,
        weights: np.ndarray,
        rng: np.random.Generator,
        work: float,
        state: ClientState,
    ) -> tuple[np.ndarray, int]:
        """Return the weights after the steps that `work` allows, and their number."""
        num_steps = max(1, round(work * self.num_steps(client.num_examples)))
        rate, local = self.rate(state.round), weights.copy()
        for X, y in islice(self._batches(client, rng), num_steps):
            gradient = model.gradient(local, X, y)
            if self.proximal_weight:
                gradient = gradient + self.proximal_weight * (local - weights)
            local -= rate * gradient
        return local, num_steps

    def rate(self, round: int) -> float:
        """Return η of a round."""
        rate = self.learning_rate
        return positive("learning_rate", rate(round) if callable(rate) else rate)

    def num_steps(self, num_examples: int) -> int:
        """Return E ⌈n_i / b_i⌉."""
        return self.local_epochs * math.ceil(num_examples / (self.batch_size or num_examples))

    def _batches(
        self, client: Client, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        n = client.num_examples
        size = min(self.batch_size or n, n)
        for _ in range(self.local_epochs):
            X, y = client.X, client.y
            if size < n:  # the order of a full batch does not matter
                order = rng.permutation(n)
                X, y = X[order], y[order]  # once an epoch: batches are then views
            for start in range(0, n, size):
                yield X[start : start + size], y[start : start + size]
