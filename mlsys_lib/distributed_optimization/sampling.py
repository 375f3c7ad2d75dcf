"""Batches: which examples a step looks at, and how far their gradient is from the whole one.

Dekel, Gilad-Bachrach, Shamir & Xiao, "Optimal distributed online prediction using mini-batches",
JMLR 13, 2012, for batches drawn with replacement; the factor for those without is Cochran,
"Sampling techniques", 1977, theorem 2.2.

>>> rng = np.random.default_rng(0)
>>> stream = batches(5, 2, "epochs", rng)
>>> [next(stream).tolist() for _ in range(3)]  # one epoch: each example once, the last batch short
[[2, 4], [3, 0], [1]]
>>> round(variance_factor(50, 25, "without_replacement") * 25, 4)
0.5102
"""

import itertools
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from mlsys_lib.core.validate import integer, one_of, positive_int
from mlsys_lib.distributed_optimization.objective import ConvexFunction

SAMPLINGS = ("with_replacement", "without_replacement", "epochs")


class SumOfExamples(ConvexFunction, Protocol):
    """A mean over examples, f = 1/n Σ f_j."""

    @property
    def num_examples(self) -> int:
        """The number of examples, n."""

    def batch_gradient(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the mean gradient of the examples with the numbers `rows`, shape (k,)."""


def batches(
    num_examples: int, batch_size: int, sampling: str, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Return an endless stream of batches.

    Parameters
    ----------
    num_examples, batch_size : int
        n and b, 1 <= b <= n.
    sampling : str
        "with_replacement": each of the b examples is any of the n, so some repeat.
        "without_replacement": b different ones, drawn anew for each batch.
        "epochs": cut one after another from an order that is drawn anew for each epoch. The last
        batch of an epoch has n mod b examples where b does not divide n.
    rng : Generator

    Returns
    -------
    iterator of ndarray of shape (b,), int64

    Raises
    ------
    ValueError
        If the batch is larger than the data, or the sampling is unknown.

    Notes
    -----
    Every batch's mean gradient is unbiased when looked at alone. Within an epoch the batches
    depend on each other: given the first, the mean of the second is another one.
    """
    n = positive_int("num_examples", num_examples)
    b = integer("batch_size", batch_size, 1, n)
    one_of("sampling", sampling, SAMPLINGS)
    if sampling == "epochs":
        return _epochs(n, b, rng)
    if sampling == "without_replacement":
        return (rng.choice(n, size=b, replace=False) for _ in itertools.count())
    return (rng.integers(n, size=b) for _ in itertools.count())


def variance_factor(num_examples: int, batch_size: int, sampling: str) -> float:
    """Return the variance of a batch's mean over σ², that of one example.

    1/b with replacement, and 1/b · (n - b)/(n - 1) without: none is left for the whole data. A full
    batch out of an epoch is a batch without replacement.
    """
    n = positive_int("num_examples", num_examples)
    b = integer("batch_size", batch_size, 1, n)
    if one_of("sampling", sampling, SAMPLINGS) == "with_replacement":
        return 1 / b
    return (n - b) / (b * max(n - 1, 1))  # of one example nothing varies


def gradient_variance(objective: SumOfExamples, weights: np.ndarray) -> float:
    """Return σ² = 1/n Σ_j ‖∇f_j(w) - ∇f(w)‖². It looks at every example: n k operations."""
    whole = objective.gradient(weights)
    rows = np.arange(objective.num_examples)
    parts = [objective.batch_gradient(weights, rows[j : j + 1]) - whole for j in rows]
    return float(np.mean([part @ part for part in parts]))


def _epochs(n: int, b: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    while True:
        order = rng.permutation(n)
        yield from (order[first : first + b] for first in range(0, n, b))
