"""Losses of gradient boosting: where to begin, and two derivatives.

Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29(5),
2001, doi:10.1214/aos/1013203451. A model adds up trees to a *score* for each output of a row.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsys_lib.distributed_trees.criterion import require_labels

_TINY = 1e-12  # a probability is kept this far from 0 and 1


class Loss(Protocol):
    """A loss, and how its scores become predictions."""

    @property
    def num_outputs(self) -> int:
        """Scores of a row."""

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return what is averaged over all rows to know where to begin: shape (n, a)."""

    def begin(self, mean: np.ndarray) -> np.ndarray:
        """Return the best constant scores, shape (outputs,), from that mean."""

    def derivatives(self, y: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return gradient and hessian by row and output: shape (n, outputs, 2)."""

    def predict(self, score: np.ndarray) -> np.ndarray:
        """Return a value, or the probability of each class."""


@dataclass(frozen=True)
class SquaredError:
    """Half the squared difference."""

    num_outputs: int = 1

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return y."""
        return y[:, None]

    def begin(self, mean: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return mean

    def derivatives(self, y: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return the difference, and ones."""
        return np.asarray(np.stack([score - y[:, None], np.ones_like(score)], axis=2))

    def predict(self, score: np.ndarray) -> np.ndarray:
        """Return the score."""
        return score


@dataclass(frozen=True)
class Logistic:
    """Negative log-likelihood of two classes; the score is the log-odds of class 1."""

    num_outputs: int = 1

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return 1 for class 1."""
        require_labels(y, 2)
        return np.asarray((y == 1).astype(float)[:, None])

    def begin(self, mean: np.ndarray) -> np.ndarray:
        """Return the log-odds."""
        share = np.clip(mean, _TINY, 1 - _TINY)
        return np.asarray(np.log(share / (1 - share)))

    def derivatives(self, y: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return p - y and p (1 - p)."""
        p = self.predict(score)[:, 1:]
        return np.asarray(np.stack([p - self.encode(y), p * (1 - p)], axis=2))

    def predict(self, score: np.ndarray) -> np.ndarray:
        """Return the probabilities of both classes."""
        p = 0.5 * (1 + np.tanh(score / 2))  # does not overflow
        return np.hstack([1 - p, p])


@dataclass(frozen=True)
class Softmax:
    """Negative log-likelihood of more classes; a score and a tree for each class.

    Parameters
    ----------
    num_outputs : int
        Classes.
    """

    num_outputs: int

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return 1 in the column of the class."""
        require_labels(y, self.num_outputs)
        return np.asarray(np.eye(self.num_outputs)[y])

    def begin(self, mean: np.ndarray) -> np.ndarray:
        """Return logarithms of the shares."""
        return np.asarray(np.log(np.maximum(mean, _TINY)))

    def derivatives(self, y: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return p - y and p (1 - p), the diagonal of the hessian."""
        p = self.predict(score)
        return np.asarray(np.stack([p - self.encode(y), p * (1 - p)], axis=2))

    def predict(self, score: np.ndarray) -> np.ndarray:
        """Return the probability of each class."""
        p = np.exp(score - score.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))
