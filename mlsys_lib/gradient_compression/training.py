"""Data-parallel gradient descent whose updates are compressed.

In each step worker i takes p_i = η g_i + e_i from its memory and sends C(p_i); all take the mean of
what was sent off the weights, and each keeps e_i = p_i - C(p_i). This is EF-SGD of Karimireddy et
al., "Error feedback fixes SignSGD", ICML 2019, arXiv:1901.09847, algorithm 2, for several workers;
without memory and with an unbiased compressor it is QSGD's or ATOMO's loop. The weights stay equal
on all ranks, to the bit.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlsys_lib.collectives import softmax_gradient
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, non_negative, one_of, positive, positive_int
from mlsys_lib.datasets.fashion_mnist import fashion_mnist
from mlsys_lib.gradient_compression.aggregate import Collective, aggregate
from mlsys_lib.gradient_compression.compressor import Compressor
from mlsys_lib.gradient_compression.memory import Memory

_BATCHES = 1  # a last word for the seed of batches: not the stream of the compressor's chance

GradientOf = Callable[[np.ndarray, int, int], np.ndarray]
"""gradient_of(weights, step, rank): the rank's gradient at weights of shape (k,), of that shape."""

DIVERGED = 1e15
"""A weight beyond this ends a run: soon its gradient would not fit into float32."""


@dataclass(frozen=True)
class Trained:
    """One rank's outcome.

    Attributes
    ----------
    history : ndarray of shape (num_records, k)
        Weights before the first step, after each `record_every`-th, and after the last; bitwise
        the same on every rank.
    steps : tuple of int
        After how many steps each of them is.
    time_s : tuple of float
        This rank's clock then. Seconds of a simulated network, or measured.
    message_bytes : tuple of int
        Length of this rank's message, step by step.
    sent_bytes : tuple of int
        What this rank put on the wire in each step; the ledger counts the same.
    diverged_at : int or None
        The step, from 1, that made a weight larger than 1e15; the run and its history end before.
    """

    history: np.ndarray
    steps: tuple[int, ...]
    time_s: tuple[float, ...]
    message_bytes: tuple[int, ...]
    sent_bytes: tuple[int, ...]
    diverged_at: int | None = None

    @property
    def weights(self) -> np.ndarray:
        """Return the last recorded weights, of shape (k,); they are finite."""
        return np.asarray(self.history[-1])


def train_compressed(
    comm: Communicator,
    gradient_of: GradientOf,
    start: np.ndarray,
    compressor: Compressor | Collective,
    memory: Memory,
    learning_rate: float,
    num_steps: int,
    *,
    record_every: int = 1,
    seed: int = 0,
    compute_s: float = 0.0,
) -> Trained:
    """Descend by compressed updates.

    Parameters
    ----------
    gradient_of : callable
        gradient_of(weights, step, rank), step from 0. Processes need one that can be pickled.
    start : ndarray of shape (k,)
        The same on every rank. Not modified.
    compressor : Compressor or Collective
    memory : Memory
        `ErrorFeedback()` for a contraction, `NoMemory()` for an unbiased compressor. This and the
        compressor are copied, so one object may serve all ranks, and none is changed.
    learning_rate : float
        η.
    num_steps : int
    record_every : int
        Steps from one record of the weights to the next.
    seed : int
        Of the compressor's chance. Ranks draw apart, unless messages are added on the way.
    compute_s : float
        Simulated seconds of one gradient.

    Raises
    ------
    ValueError
        If a gradient is not finite; the message names rank and step.

    Examples
    --------
    >>> from mlsys_lib.comm import simulate
    >>> from mlsys_lib.gradient_compression.memory import ErrorFeedback
    >>> from mlsys_lib.gradient_compression.topk import TopK
    >>> def gradient_of(weights, step, rank):  # of ‖w - target‖²/2, targets (0, 3) and (2, 1)
    ...     return weights - np.array([2.0 * rank, 3.0 - 2.0 * rank])
    >>> task = (gradient_of, np.zeros(2), TopK(1), ErrorFeedback(), 0.1, 200)
    >>> simulate(train_compressed, 2, *task).results[0].weights.round(1)
    array([1., 2.])
    """
    num_steps = positive_int("num_steps", num_steps)
    record_every = positive_int("record_every", record_every)
    learning_rate = positive("learning_rate", learning_rate)
    compute_s, seed = non_negative("compute_s", compute_s), integer("seed", seed, 0)
    compressor, memory = copy.deepcopy(compressor), copy.deepcopy(memory)
    weights = _checked("start", np.array(start, np.float64), np.shape(start))
    history, steps, times = [weights], [0], [comm.now_s()]
    message_bytes: list[int] = []
    sent_bytes: list[int] = []
    diverged_at = None
    for step in range(num_steps):
        place = f"gradient of rank {comm.rank} in step {step}"
        gradient = _checked(place, gradient_of(weights.copy(), step, comm.rank), weights.shape)
        comm.compute(compute_s, "gradient")
        wanted = memory.add(learning_rate * gradient)
        outcome = aggregate(comm, wanted, compressor, _rng(compressor, seed, step, comm.rank))
        memory.keep(wanted, outcome.sent)
        message_bytes.append(outcome.message_bytes)
        sent_bytes.append(outcome.sent_bytes)
        weights = weights - outcome.mean
        if not np.abs(weights).max() <= DIVERGED:
            diverged_at = step + 1
            break
        if (step + 1) % record_every == 0 or step + 1 == num_steps:
            history.append(weights)
            steps.append(step + 1)
            times.append(comm.now_s())
    traffic = tuple(message_bytes), tuple(sent_bytes)
    return Trained(np.array(history), tuple(steps), tuple(times), *traffic, diverged_at)


def _rng(
    compressor: Compressor | Collective, seed: int, step: int, rank: int
) -> np.random.Generator:
    """Return the rank's own chance of this step, or the shared one if messages are added."""
    is_shared = isinstance(compressor, Compressor) and compressor.aggregation == "all_reduce"
    return np.random.default_rng([seed, step] if is_shared else [seed, step, rank])


def _checked(name: str, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return x as float64 if it has the shape (k,), k >= 1, and is finite."""
    x = np.asarray(x, np.float64)
    if x.ndim != 1 or not len(x) or x.shape != shape:
        wanted = shape if len(shape) == 1 and shape[0] else "(k,), k >= 1"
        raise ValueError(f"{name} must have shape {wanted}, got {x.shape}")
    finite = np.isfinite(x)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(f"{name} must be finite, got {x[first]} at entry {first}")
    return x


class ClothesGradient:
    """Gradients of softmax regression on one rank's share of Fashion-MNIST, a batch in each step.

    Parameters
    ----------
    world_size : int
        m, shares.
    batch_size : int
        Images in a batch of one rank.
    split : {"mixed", "by class"}
        Whether every share has all classes, or few ("by class": images sorted by what they show).
    seed : int
        Of the batches; ranks draw apart.

    Notes
    -----
    Weights are the flattened matrix of shape (785, 10): 784 pixels in [0, 1], and one for the bias.
    """

    def __init__(self, world_size: int, batch_size: int, split: str, seed: int) -> None:
        images, labels, _, _ = fashion_mnist()
        order = np.arange(len(labels))
        if one_of("split", split, ("mixed", "by class")) == "by class":
            order = np.argsort(labels, kind="stable")
        self.shares = np.array_split(order, positive_int("world_size", world_size))
        self.batch_size = integer("batch_size", batch_size, 1, len(self.shares[-1]))
        self.seed = integer("seed", seed, 0)
        self.X, self.y = with_bias(images), labels

    def __call__(self, weights: np.ndarray, step: int, rank: int) -> np.ndarray:
        """Return the mean gradient of the rank's batch, of shape (7850,)."""
        rng = np.random.default_rng([self.seed, step, rank, _BATCHES])
        rows = rng.choice(self.shares[rank], self.batch_size, replace=False)
        _, total = softmax_gradient(weights.reshape(-1, 10), self.X[rows], self.y[rows])
        return total.ravel() / len(rows)


def with_bias(images: np.ndarray) -> np.ndarray:
    """Return pixels in [0, 1] and a column of ones, of shape (n, 785)."""
    return np.column_stack([images / 255, np.ones(len(images))])


def train_on_fashion_mnist(
    comm: Communicator,
    compressor: Compressor | Collective,
    memory: Memory,
    learning_rate: float = 0.05,
    num_steps: int = 200,
    *,
    batch_size: int = 32,
    split: str = "mixed",
    record_every: int = 20,
    seed: int = 0,
    compute_s: float = 0.0,
) -> Trained:
    """Train softmax regression on Fashion-MNIST, k = 7850, each rank on its share.

    Parameters
    ----------
    batch_size, split
        See `ClothesGradient`.
    compressor, memory, learning_rate, num_steps, record_every, seed, compute_s
        See `train_compressed`. For layers use the shape (785, 10).
    """
    gradient_of = ClothesGradient(comm.world_size, batch_size, split, seed)
    start = np.zeros(785 * 10)
    return train_compressed(
        comm, gradient_of, start, compressor, memory, learning_rate, num_steps,
        record_every=record_every, seed=seed, compute_s=compute_s,
    )  # fmt: skip


def fashion_accuracy(weights: np.ndarray) -> float:
    """Return the share of the 1000 test images that weights of shape (7850,) name rightly."""
    _, _, images, labels = fashion_mnist()
    scores = with_bias(images) @ np.reshape(weights, (785, 10))
    return float(np.mean(scores.argmax(axis=1) == labels))
