"""A fully connected network for classes, with its gradients written out by hand.

Layers are z = W x + bias, by choice batch normalization, and ReLU; after the last one the softmax
and its mean cross-entropy. Rumelhart, Hinton & Williams, "Learning representations by
back-propagating errors", Nature 323, 1986, doi:10.1038/323533a0. Weights begin as in He et al.,
"Delving deep into rectifiers", ICCV 2015, arXiv:1502.01852: normal with variance 2 / d_in.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import positive_int
from mlsys_lib.optimizers.batch_norm import BatchNorm
from mlsys_lib.optimizers.sync_batch_norm import SyncBatchNorm


class Network:
    """A fully connected network.

    Parameters
    ----------
    widths : sequence of int
        Features of the input, of each hidden layer, and number of classes: 784, 64, 10.
    rng : numpy.random.Generator
        For the first weights.
    batch_norm : bool
        Normalize before each ReLU.
    dtype : {float32, float64}

    Attributes
    ----------
    weights : list of ndarray
        For each layer W of shape (d_out, d_in) and bias of shape (d_out,), and behind a hidden
        layer with batch normalization its scale and shift. Optimizers change them in place.
    statistics : list of ndarray
        Running means and variances of batch normalization; no optimizer changes them.
    norms : list of BatchNorm
        One behind each hidden layer, or none. Each may be replaced by a `SyncBatchNorm` around it.

    Examples
    --------
    >>> network = Network([2, 8, 3], np.random.default_rng(0))
    >>> [w.shape for w in network.weights]
    [(8, 2), (8,), (3, 8), (3,)]
    >>> loss, gradients = network.loss_and_gradients(np.ones((4, 2)), np.array([0, 1, 2, 0]))
    >>> [g.shape for g in gradients]
    [(8, 2), (8,), (3, 8), (3,)]
    """

    def __init__(
        self,
        widths: Sequence[int],
        rng: np.random.Generator,
        *,
        batch_norm: bool = False,
        dtype: type[np.floating] = np.float64,
    ) -> None:
        if len(widths) < 2:
            raise ValueError(f"widths must be at least input and classes, got {list(widths)}")
        self.widths = [positive_int(f"widths[{i}]", width) for i, width in enumerate(widths)]
        self.dtype = np.dtype(dtype)
        self.norms: list[BatchNorm | SyncBatchNorm] = []
        self.weights: list[np.ndarray] = []
        self.statistics: list[np.ndarray] = []
        for i in range(len(widths) - 1):
            d_in, d_out = self.widths[i : i + 2]
            first = rng.normal(size=(d_out, d_in)) * np.sqrt(2 / d_in)
            self.weights += [first.astype(dtype), np.zeros(d_out, dtype)]
            if batch_norm and i < len(widths) - 2:
                norm = BatchNorm(d_out, dtype=dtype)
                self.norms.append(norm)
                self.weights += [norm.scale, norm.shift]
                self.statistics += [norm.running_mean, norm.running_variance]

    def logits(self, X: np.ndarray, *, training: bool = False) -> np.ndarray:
        """Return the last layer's z, of shape (n_samples, n_classes)."""
        return self._forward(self._inputs(X), training)[-1]

    def loss(self, X: np.ndarray, y: np.ndarray) -> float:
        """Return the mean cross-entropy (nats) in evaluation."""
        return _cross_entropy(self.logits(X), self._labels(X, y))[0]

    def accuracy(self, X: np.ndarray, y: np.ndarray) -> float:
        """Return the share of samples whose largest logit is their class's, in evaluation."""
        return float(np.mean(self.logits(X).argmax(axis=1) == self._labels(X, y)))

    def loss_and_gradients(self, X: np.ndarray, y: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Return the mean cross-entropy of a batch and its gradient by each array of weights.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,), integer
            Classes 0 … n_classes - 1.

        Returns
        -------
        loss : float
            In training: with batch normalization, that of the batch's own statistics.
        gradients : list of ndarray
            In the order and the shapes of `weights`.
        """
        labels = self._labels(X, y)
        outputs = self._forward(self._inputs(X), True)
        loss, gradient = _cross_entropy(outputs[-1], labels)
        gradients: list[np.ndarray] = []
        for i in reversed(range(len(self.widths) - 1)):
            normalized: list[np.ndarray] = []
            if i < len(self.widths) - 2:
                gradient = gradient * (outputs[i + 1] > 0)
                if self.norms:
                    gradient, *normalized = self.norms[i].backward(gradient)
            gradients = [gradient.T @ outputs[i], gradient.sum(axis=0), *normalized, *gradients]
            gradient = gradient @ self._layer(i)[0]
        return loss, gradients

    def _forward(self, inputs: np.ndarray, training: bool) -> list[np.ndarray]:
        """Return the input, what leaves each ReLU, and the logits."""
        outputs = [inputs]
        for i in range(len(self.widths) - 1):
            weight, bias = self._layer(i)
            z = outputs[-1] @ weight.T + bias
            if i < len(self.widths) - 2:
                if self.norms:
                    z = self.norms[i].forward(z, training=training)
                z = np.maximum(z, 0)
            outputs.append(z)
        return outputs

    def _layer(self, i: int) -> list[np.ndarray]:
        at = i * (4 if self.norms else 2)
        return self.weights[at : at + 2]

    def _inputs(self, X: np.ndarray) -> np.ndarray:
        if np.ndim(X) != 2 or X.shape[1] != self.widths[0]:
            raise ValueError(f"X must have shape (n, {self.widths[0]}), got {np.shape(X)}")
        return np.asarray(X, self.dtype)

    def _labels(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        y, classes = np.asarray(y), self.widths[-1]
        if len(y) == 0 or y.shape != (len(X),) or y.dtype.kind not in "iu":
            raise ValueError(f"y must be {len(X)} >= 1 integers, got {y.dtype} of shape {y.shape}")
        if y.min() < 0 or y.max() >= classes:
            raise ValueError(f"y must hold classes 0…{classes - 1}, got {y.min()}…{y.max()}")
        return y


def _cross_entropy(logits: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean cross-entropy and its gradient by the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)  # exp does not overflow
    exponentials = np.exp(shifted)
    normalizer = exponentials.sum(axis=1, keepdims=True)
    at = np.arange(len(y)), y
    loss = float(np.mean(np.log(normalizer[:, 0]) - shifted[at]))
    gradient = exponentials / normalizer
    gradient[at] -= 1
    return loss, gradient / len(y)
