"""Models with all weights in one vector: what a client trains and a server averages.

A loss is the *mean* over the examples (McMahan et al., AISTATS 2017, arXiv:1602.05629, equation 1).
With sums, clients would count by the square of their examples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsys_lib.core.validate import non_negative, positive_int
from mlsys_lib.optimizers import Network


class Model(Protocol):
    """A loss and its gradient, as functions of k weights."""

    @property
    def num_weights(self) -> int:
        """Return k."""

    def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        """Return the mean loss of the examples; ValueError where the model cannot read them."""

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the gradient of that mean, of shape (k,); need not check the examples again."""

    def predict(self, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return a prediction for each example."""


@dataclass(frozen=True)
class LeastSquares:
    """Half the mean squared error of x·w, without bias; the model of the worked cases.

    Attributes
    ----------
    num_features : int
        d, which is also k.
    penalty : float
        λ ≥ 0 of λ/2 ‖w‖².

    Examples
    --------
    >>> model = LeastSquares(1)
    >>> model.loss(np.array([3.0]), np.array([[2.0]]), np.array([4.0]))
    2.0
    >>> model.gradient(np.array([3.0]), np.array([[2.0]]), np.array([4.0]))
    array([4.])
    """

    num_features: int
    penalty: float = 0.0

    def __post_init__(self) -> None:
        positive_int("num_features", self.num_features)
        non_negative("penalty", self.penalty)

    @property
    def num_weights(self) -> int:
        """Return k = d."""
        return self.num_features

    def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        """Return mean ½ (x·w - y)² + λ/2 ‖w‖²."""
        _check_features(X, self.num_features)
        residuals = X @ weights - y
        squares = float(residuals @ residuals) / (2 * len(y))
        return squares + self.penalty / 2 * float(weights @ weights)

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return its gradient, of shape (k,)."""
        gradient: np.ndarray = (X @ weights - y) @ X / len(y)
        return gradient + self.penalty * weights if self.penalty else gradient

    def predict(self, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return x·w of each example."""
        return np.asarray(X @ weights)


@dataclass(frozen=True)
class SoftmaxRegression:
    """Multinomial logistic regression with bias: the model of the synthetic data.

    The vector holds a matrix of shape (d + 1, classes), row by row; its last row is the bias.

    Attributes
    ----------
    num_features : int
        d.
    num_classes : int
        Labels are 0 … num_classes - 1.
    penalty : float
        λ ≥ 0 of λ/2 ‖·‖², on all weights but the bias.
    """

    num_features: int
    num_classes: int
    penalty: float = 0.0

    def __post_init__(self) -> None:
        positive_int("num_features", self.num_features)
        positive_int("num_classes", self.num_classes)
        non_negative("penalty", self.penalty)

    @property
    def num_weights(self) -> int:
        """Return k = (d + 1) · classes."""
        return (self.num_features + 1) * self.num_classes

    def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        """Return the mean cross-entropy (nats), with the penalty."""
        _check_features(X, self.num_features)
        _check_labels(y, self.num_classes)
        logits = self._logits(weights, X)
        logits -= logits.max(axis=1, keepdims=True)
        of_label = logits[np.arange(len(y)), y]
        loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - of_label)
        matrix = weights[: -self.num_classes]
        return float(loss) + self.penalty / 2 * float(matrix @ matrix)

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return its gradient, of shape (k,): 4 n d classes operations in a dozen calls."""
        errors = self._logits(weights, X)
        errors -= errors.max(axis=1, keepdims=True)  # exp does not overflow
        np.exp(errors, out=errors)
        errors *= (1 / len(y)) / errors.sum(axis=1, keepdims=True)
        errors[np.arange(len(y)), y] -= 1 / len(y)
        gradient = np.empty((self.num_features + 1, self.num_classes))
        np.matmul(X.T, errors, out=gradient[:-1])
        np.add.reduce(errors, axis=0, out=gradient[-1])
        flat = gradient.reshape(-1)
        if self.penalty:
            flat[: -self.num_classes] += self.penalty * weights[: -self.num_classes]
        return flat

    def predict(self, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return the class of the largest logit; of equals, the first."""
        return np.asarray(self._logits(weights, X).argmax(axis=1))

    def _logits(self, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
        matrix = weights.reshape(self.num_features + 1, self.num_classes)
        logits: np.ndarray = X @ matrix[:-1]
        logits += matrix[-1]
        return logits


class NetworkModel:
    """A fully connected network, `mlsys_lib.optimizers.Network`, seen as one vector.

    Parameters
    ----------
    widths : sequence of int
        Features, widths of hidden layers, classes: 784, 200, 200, 10 is McMahan's 2NN.

    Notes
    -----
    The layers are views of the vector: nothing is copied but the gradient. There is no batch
    normalization, whose running means a server would have to average too.

    Examples
    --------
    >>> NetworkModel([784, 200, 200, 10]).num_weights
    199210
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self._network = Network(widths, np.random.default_rng(0))
        self._shapes = [w.shape for w in self._network.weights]
        self._ends = [int(end) for end in np.cumsum([math.prod(s) for s in self._shapes])]

    @property
    def num_weights(self) -> int:
        """Return k."""
        return self._ends[-1]

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """Return first weights as the network draws them, of shape (k,)."""
        return np.concatenate([w.ravel() for w in Network(self._network.widths, rng).weights])

    def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        """Return the mean cross-entropy (nats)."""
        return self._with(weights).loss(X, y)

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return its gradient, of shape (k,)."""
        _, gradients = self._with(weights).loss_and_gradients(X, y)
        return np.concatenate([g.ravel() for g in gradients])

    def predict(self, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return the class of the largest logit."""
        return np.asarray(self._with(weights).logits(X).argmax(axis=1))

    def _with(self, weights: np.ndarray) -> Network:
        parts = np.split(weights, self._ends[:-1])
        self._network.weights = [p.reshape(s) for p, s in zip(parts, self._shapes, strict=True)]
        return self._network


def _check_features(X: np.ndarray, num_features: int) -> None:
    if X.ndim != 2 or X.shape[1] != num_features:
        raise ValueError(f"X must have shape (n, {num_features}), got {X.shape}")


def _check_labels(y: np.ndarray, num_classes: int) -> None:
    if y.dtype.kind not in "iu":
        raise ValueError(f"y must hold integers, got {y.dtype}")
    if len(y) and not (0 <= y.min() and y.max() < num_classes):
        raise ValueError(f"y must hold classes 0…{num_classes - 1}, got {y.min()}…{y.max()}")
