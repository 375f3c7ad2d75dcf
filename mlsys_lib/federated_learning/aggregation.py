"""Aggregation: what the server makes of the models that came back.

Two averages of the sampled clients' weights, each made for one way to sample:

* `MeanByExamples`: Σ n_i w_i / Σ n_i, both sums over the sampled clients. McMahan et al., AISTATS
  2017, arXiv:1602.05629, with its later correction: early versions divide by n. It goes with
  uniform sampling. If clients differ in size its expectation is not Σ p_i w_i, as that of a ratio
  is not the ratio of expectations.
* `PlainMean`: (1/K) Σ w_i. FedProx, MLSys 2020, arXiv:1812.06127, algorithm 2. It goes with
  sampling by p_i with replacement, and its expectation is then Σ p_i w_i. FedProx's released code
  uses the first one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

_BLOCK = 2**14  # elements: a block of the sum and one of a vector stay in the cache


@dataclass(frozen=True, eq=False)
class Update:
    """What a client sends back.

    Attributes
    ----------
    client : int
    weights : ndarray of shape (k,)
        Its model after the local work.
    num_examples : int
        n_i.
    num_steps : int
        Local steps that it took.
    loss : float
        f_i at the weights that it *received*.
    control : ndarray, optional
        A second vector, for methods that send one.
    """

    client: int
    weights: np.ndarray
    num_examples: int
    num_steps: int
    loss: float
    control: np.ndarray | None = None


class Aggregation(Protocol):
    """A rule for the next weights. A class may remember things from round to round.

    One with an attribute `takes_nobody` that is true is called in rounds without answers too.
    """

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return the next weights.

        Parameters
        ----------
        weights : ndarray of shape (k,)
            Those that were sent out. Not modified.
        updates : sequence of Update
            In the order of the sample, a client that was drawn twice twice; at least one, but for a
            rule that takes nobody.
        client_weights : ndarray of shape (m,)
            p_i of *all* clients.

        Returns
        -------
        ndarray of shape (k,)
            Real numbers. Where answers are finite but so large that the result is not, it is
            returned as it is; the round loop then stops.
        """


class MeanByExamples:
    """Σ n_i w_i / Σ n_i over the clients that answered.

    >>> updates = [Update(0, np.array([0.0]), 900, 1, 0.0), Update(1, np.array([1.0]), 100, 1, 0.0)]
    >>> MeanByExamples()(np.zeros(1), updates, np.array([0.9, 0.1]))
    array([0.1])
    """

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return the mean, each client by its examples."""
        return weighted_mean([u.weights for u in updates], [u.num_examples for u in updates])


class PlainMean:
    """(1/K) Σ w_i over the K clients that answered, those drawn twice counted twice."""

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return the mean, each client alike."""
        return weighted_mean([u.weights for u in updates], [1] * len(updates))


def weighted_mean(vectors: Sequence[np.ndarray], counts: Sequence[float]) -> np.ndarray:
    """Return Σ counts_i vectors_i / Σ counts_i, in the vectors' dtype.

    Parameters
    ----------
    vectors : sequence of ndarray of one shape and dtype, float32 or float64
        Not modified.
    counts : sequence of int or float
        ≥ 0, not all zero.

    Notes
    -----
    Sums from the first to the last, like a plain loop, but block by block: each vector is read from
    memory once and nothing of its size is allocated but the result.
    """
    if not len(vectors) or len(vectors) != len(counts):
        raise ValueError(
            f"counts must hold one for each of at least one vector, got {len(counts)} "
            f"for {len(vectors)}"
        )
    total = sum(counts)
    if not (min(counts) >= 0 and 0 < total < float("inf")):
        raise ValueError(f"counts must be finite and >= 0, one of them > 0, got {list(counts)}")
    shapes = sorted({vector.shape for vector in vectors})
    if len(shapes) > 1:
        raise ValueError(f"vectors must have one shape, got {', '.join(map(str, shapes))}")
    lines = [vector.reshape(-1) for vector in vectors]
    mean = np.empty_like(lines[0])
    scratch = np.empty_like(mean[:_BLOCK])
    for start in range(0, len(mean), _BLOCK):
        block = mean[start : start + _BLOCK]
        room = scratch[: len(block)]
        np.multiply(lines[0][start : start + _BLOCK], counts[0], out=block)
        for line, count in zip(lines[1:], counts[1:], strict=True):
            np.multiply(line[start : start + _BLOCK], count, out=room)
            block += room
        block /= total
    return mean.reshape(vectors[0].shape)
