"""Batch normalization: each feature with mean 0 and variance 1 over the batch, then rescaled.

Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing internal
covariate shift", ICML 2015, arXiv:1502.03167, algorithms 1 and 2:

    x̂ = (x - mean) / √(variance + ε₀),    y = scale ⊙ x̂ + shift

In training mean and variance are the batch's, with the variance divided by n. For evaluation they
are running averages, of the mean and of the variance divided by n - 1. `momentum` is torch's: the
share of the *new* value, new = (1 - momentum) · old + momentum · batch. A decay δ as in the rest
of this library is 1 - momentum.
"""

from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import positive, positive_int


@dataclass(frozen=True)
class _Cache:
    """What the backward pass needs of the forward pass."""

    normalized: np.ndarray  # (n, d)
    inverse_std: np.ndarray  # (d,)
    shape: tuple[int, ...]
    count: int  # samples behind the statistics; 0 if they were running ones


class BatchNorm:
    """Batch normalization of `num_features` features.

    Parameters
    ----------
    num_features : int
        d.
    momentum : float
        In (0, 1]: the share of the new value in a running average.
    eps : float
        ε₀ > 0.
    dtype : {float64, float32}

    Attributes
    ----------
    scale, shift : ndarray of shape (d,)
        Weights, γ and β in the paper; begin as ones and zeros.
    running_mean, running_variance : ndarray of shape (d,)
        Begin as zeros and ones. Changed in place by each forward pass in training.

    Notes
    -----
    A pass costs O(n d) operations; the cache of the backward pass holds n d numbers.

    Examples
    --------
    >>> layer = BatchNorm(2)
    >>> y = layer.forward(np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> print(y.round(3), layer.running_variance)
    [[-1. -1.]
     [ 1.  1.]] [ 1.1 20.9]
    """

    def __init__(
        self,
        num_features: int,
        momentum: float = 0.1,
        eps: float = 1e-5,
        dtype: type[np.floating] = np.float64,
    ) -> None:
        self.num_features = positive_int("num_features", num_features)
        self.momentum = positive("momentum", momentum)
        if self.momentum > 1:
            raise ValueError(f"momentum must be in (0, 1], got {momentum!r}")
        self.eps = positive("eps", eps)
        self.scale, self.shift = np.ones(num_features, dtype), np.zeros(num_features, dtype)
        self.running_mean = np.zeros(num_features, dtype)
        self.running_variance = np.ones(num_features, dtype)
        self._cache: _Cache | None = None

    def forward(self, x: np.ndarray, *, training: bool = True) -> np.ndarray:
        """Normalize a batch.

        Parameters
        ----------
        x : ndarray of shape (n, d) or (n, d, ...)
            Axes behind the second count as further samples.
        training : bool
            Use the batch's statistics and bring the running ones up to date.

        Returns
        -------
        ndarray of x.shape
        """
        rows = self.rows(x)
        if not training:
            return self.apply(x, self.running_mean, self.running_variance, 0)
        _require_two(len(rows))
        mean, variance = rows.mean(axis=0), rows.var(axis=0)
        self.track(len(rows), mean, variance)
        return self.apply(x, mean, variance, len(rows))

    def backward(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the gradients of input, scale and shift after the last forward pass.

        Parameters
        ----------
        gradient : ndarray of the output's shape
            The loss's gradient by the output.

        Returns
        -------
        input_gradient : ndarray of the input's shape
        scale_gradient, shift_gradient : ndarray of shape (d,)
        """
        sums = self.gradient_sums(gradient)
        return self.input_gradient(gradient, *sums), *sums

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return `x` with shape (number of samples, d)."""
        if not isinstance(x, np.ndarray) or x.ndim < 2 or x.shape[1] != self.num_features:
            shape = np.shape(x)
            raise ValueError(f"x must have shape (n, {self.num_features}, ...), got {shape}")
        return np.moveaxis(x, 1, -1).reshape(-1, self.num_features)

    def track(self, count: int, mean: np.ndarray, variance: np.ndarray) -> None:
        """Mix a batch's mean and its variance (divided by n) into the running statistics."""
        _require_two(count)
        self.running_mean += self.momentum * (mean - self.running_mean)
        unbiased = variance * (count / (count - 1))
        self.running_variance += self.momentum * (unbiased - self.running_variance)

    def apply(
        self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray, count: int
    ) -> np.ndarray:
        """Normalize with these statistics of `count` samples; 0 if they do not depend on `x`."""
        inverse_std = 1 / np.sqrt(variance + self.eps)
        normalized = (self.rows(x) - mean) * inverse_std
        self._cache = _Cache(normalized, inverse_std, x.shape, count)
        return _back(normalized * self.scale + self.shift, x.shape)

    def gradient_sums(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums over the samples of gradient ⊙ x̂ and of gradient."""
        cache = self._forward_cache()
        if np.shape(gradient) != cache.shape:
            raise ValueError(f"gradient must have shape {cache.shape}, got {np.shape(gradient)}")
        rows = self.rows(gradient)
        return (rows * cache.normalized).sum(axis=0), rows.sum(axis=0)

    def input_gradient(
        self, gradient: np.ndarray, scale_sum: np.ndarray, shift_sum: np.ndarray
    ) -> np.ndarray:
        """Return the input's gradient; the sums run over all samples behind the statistics."""
        cache = self._forward_cache()
        rows = self.rows(gradient)
        if cache.count:  # mean and variance depend on every sample
            rows = rows - (shift_sum + cache.normalized * scale_sum) / cache.count
        return _back(rows * (self.scale * cache.inverse_std), cache.shape)

    def _forward_cache(self) -> _Cache:
        if self._cache is None:
            raise ValueError("backward must come after a forward pass, got none")
        return self._cache


def _back(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Undo `BatchNorm.rows`."""
    return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


def _require_two(count: int) -> None:
    if count < 2:
        raise ValueError(
            f"x must have at least 2 samples a feature in training, got {count}: "
            "one sample minus its own mean is 0 whatever it is"
        )
