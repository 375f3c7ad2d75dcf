"""Public tests of rounds between a server and its clients."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.public.federated_learning.rounds import Data, draw_blocks, expect_rounds

Answer = Callable[..., Any]


def _block(X: list[list[float]], y: list[float]) -> Data:
    return np.array(X, np.float64).reshape(-1, 2), np.array(y, np.float64)


SERVER = _block([], [])


def one_client_trains_twice(federated_rounds: Answer) -> None:
    """One client, two rounds."""
    expect_rounds(
        federated_rounds,
        np.array([1.0, 0.0]),
        [SERVER, _block([[1, 2], [0, 1]], [3, 1])],
        [[1], [1]],
        "The weights of one client are the mean: the second round goes on where the first has "
        "ended. The server has no examples and is not counted. Numbers travel as float64.",
    )


def two_clients_with_one_and_three_examples(federated_rounds: Answer) -> None:
    """Two clients, with one example and with three."""
    expect_rounds(
        federated_rounds,
        np.array([0.0, 0.0]),
        [SERVER, _block([[1, 1]], [4]), _block([[1, 0], [0, 1], [2, 1]], [-2, 1, 0])],
        [[1, 2], [2, 1]],
        "A client counts by its examples: it sends n_i along with its weights. Divide by the "
        "examples of the clients that were sampled.",
    )


def others_are_left_in_peace(federated_rounds: Answer) -> None:
    """Three clients, of which some are sampled."""
    expect_rounds(
        federated_rounds,
        np.array([0.5, -0.5]),
        [SERVER, _block([[1, 1]], [4]), _block([[1, 0], [0, 1]], [-2, 1]), _block([[0, 2]], [6])],
        [[1, 3], [2], [3, 2]],
        "Only the sampled clients of a round train, and only they have a say in its mean: neither "
        "the old weights nor the others' examples are in it.",
    )


def a_round_without_clients(federated_rounds: Answer) -> None:
    """Two clients; in the second round nobody is sampled."""
    expect_rounds(
        federated_rounds,
        np.array([0.0, 1.0]),
        [SERVER, _block([[1, 1]], [4]), _block([[1, 0], [0, 1]], [-2, 1])],
        [[2], [], [1]],
        "A round without clients leaves the weights as they are, and divides by nothing.",
    )


def clients_train_at_the_same_time(federated_rounds: Answer) -> None:
    """Four clients with 40 examples each: seconds."""
    blocks = draw_blocks(np.random.default_rng(1), [40] * 4, 2)
    expect_rounds(federated_rounds, np.zeros(2), blocks, [[1, 2, 3, 4], [4, 2]])
