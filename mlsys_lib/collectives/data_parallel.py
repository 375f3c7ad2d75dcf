"""Data parallelism: every rank holds the whole model and a part of the data.

Each computes the gradient of its part; an all-reduce adds the gradients; each takes the same
step. So the replicas stay equal, and equal to one machine with all the data (Dean et al., NIPS
2012; Li et al., VLDB 2020). Ours sums gradients and divides by the number of samples of all
ranks. A mean of the ranks' means, as PyTorch's DDP takes, is the same only for equal parts.

The model is softmax regression: convex, so that what is compared is the arithmetic.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mlsys_lib.collectives.chunks import chunk_sizes, split
from mlsys_lib.collectives.parameter_server import Gradient
from mlsys_lib.collectives.ring import ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, positive, positive_int

AllReduce = Callable[[Communicator, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Training:
    """One rank's outcome.

    Attributes
    ----------
    weights : ndarray of shape (n_features, n_classes)
        The same on every rank, bitwise.
    loss : tuple of float
        Mean cross-entropy over all data (nats), at each evaluation.
    num_steps : int
        Steps taken, one all-reduce each.
    """

    weights: np.ndarray
    loss: tuple[float, ...]
    num_steps: int


def softmax_gradient(weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the summed cross-entropy of softmax regression and its gradient.

    Parameters
    ----------
    weights : ndarray of shape (n_features, n_classes)
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,), integer
        Classes 0 … n_classes - 1.

    Returns
    -------
    loss : float
        Sum over the samples, in nats; 0 for no samples.
    gradient : ndarray of weights.shape
    """
    scores = X @ weights
    scores -= scores.max(axis=1, keepdims=True, initial=-np.inf)
    log_normalizer = np.log(np.exp(scores).sum(axis=1))
    chosen = scores[np.arange(len(y)), y]
    probabilities = np.exp(scores - log_normalizer[:, None])
    probabilities[np.arange(len(y)), y] -= 1.0
    return float((log_normalizer - chosen).sum()), X.T @ probabilities


def shard_gradient(X: np.ndarray, y: np.ndarray, num_workers: int) -> Gradient:
    """Return the `Gradient` of softmax regression for a parameter server's workers.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,), integer
    num_workers : int
        Worker w holds the w-th part of the rows, in their order.

    Returns
    -------
    callable
        gradient(worker, step, weights): the mean over the worker's rows, flattened; `weights` is
        the flattened matrix of shape (n_features, n_classes).
    """
    parts = split(np.arange(len(y)), positive_int("num_workers", num_workers))

    def gradient(worker: int, step: int, weights: np.ndarray) -> np.ndarray:
        mine = parts[worker]
        matrix = weights.reshape(X.shape[1], -1)
        _, total = softmax_gradient(matrix, X[mine], y[mine])
        return total.ravel() / max(1, len(mine))

    return gradient


def train_data_parallel(
    comm: Communicator,
    X: np.ndarray,
    y: np.ndarray,
    num_epochs: int,
    learning_rate: float,
    batch_size: int | None = None,
    all_reduce: AllReduce = ring_all_reduce,
    seed: int = 0,
    target_loss: float | None = None,
    evaluate_every: int | None = None,
) -> Training:
    """Train softmax regression by mini-batch gradient descent, every batch shared by all ranks.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        All data, on every rank; a rank reads only its part of each batch.
    y : ndarray of shape (n_samples,), integer
    batch_size : int, optional
        b, samples per step over all ranks; by default all of them. The last batch of an epoch
        may be smaller, and so may a rank's part, down to nothing.
    all_reduce : callable
        Any all-reduce of `mlsys_lib.collectives`.
    seed : int
        Order of the samples, the same on every rank.
    target_loss : float, optional
        Stop at the first evaluation whose loss is at most this.
    evaluate_every : int, optional
        Steps between evaluations of the loss over all data; by default one epoch.

    Returns
    -------
    Training
    """
    X, y, batch_size = _checked(X, y, num_epochs, learning_rate, batch_size)
    every = -(-len(y) // batch_size)  # steps in an epoch
    if evaluate_every is not None:
        every = positive_int("evaluate_every", evaluate_every)
    weights = np.zeros((X.shape[1], int(y.max()) + 1))
    losses: list[float] = []
    num_steps = 0
    for batch in _batches(len(y), batch_size, num_epochs, np.random.default_rng(seed)):
        mine = batch[_part(comm, len(batch))]
        _, gradient = softmax_gradient(weights, X[mine], y[mine])
        weights -= learning_rate / len(batch) * all_reduce(comm, gradient)
        num_steps += 1
        if num_steps % every == 0:
            losses.append(_mean_loss(comm, weights, X, y))
            if target_loss is not None and losses[-1] <= target_loss:
                break
    return Training(weights, tuple(losses), num_steps)


def _batches(
    num_samples: int, batch_size: int, num_epochs: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield which samples make each batch, in a new order every epoch."""
    for _ in range(num_epochs):
        whole = batch_size == num_samples
        order = np.arange(num_samples) if whole else rng.permutation(num_samples)
        for start in range(0, num_samples, batch_size):
            yield order[start : start + batch_size]


def _part(comm: Communicator, num_samples: int) -> slice:
    """Return which samples of a batch are this rank's."""
    sizes = chunk_sizes(num_samples, comm.world_size)
    start = sum(sizes[: comm.rank])
    return slice(start, start + sizes[comm.rank])


def _mean_loss(comm: Communicator, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
    part = _part(comm, len(y))
    loss, _ = softmax_gradient(weights, X[part], y[part])
    return float(ring_all_reduce(comm, np.array(loss))) / len(y)


def _checked(
    X: np.ndarray, y: np.ndarray, num_epochs: int, learning_rate: float, batch_size: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    X, y = np.asarray(X, dtype=float), np.asarray(y)
    if X.ndim != 2 or len(X) == 0 or not np.isfinite(X).all():
        raise ValueError(f"X must be finite, of shape (n_samples >= 1, n_features), got {X.shape}")
    if y.shape != (len(X),) or y.dtype.kind not in "iu" or y.min() < 0:
        raise ValueError(
            f"y must hold a class 0, 1, … for each of {len(X)} samples, got {y.dtype} {y.shape}"
        )
    positive_int("num_epochs", num_epochs)
    positive("learning_rate", learning_rate)
    if batch_size is None:
        return X, y, len(X)
    return X, y, integer("batch_size", batch_size, 1, len(X))
