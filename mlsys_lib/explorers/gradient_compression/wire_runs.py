"""Trainings of one model with seven ways to send its gradient, until an error of 25 %.

The model is softmax regression on `fashion_mnist`, pooled to 14 by 14 pixels: k = 1970. In each
step the same 256 images are dealt to the workers, whatever the method and however many they are.
Error is the share of the 1000 test images that are named wrongly, the mean over the last five
steps, for single steps jump about. A run ends once it is 25 %, or beyond hope, or after 40 steps.

Methods whose messages an all-reduce adds run `train_compressed` on one rank. For the others workers
take turns here, in one thread, and come to the weights of `train_compressed`, to the bit.

Without memory random-k multiplies what it sends, so that it is unbiased; with memory it must not.
Learning rates were tried beforehand, with 8 workers: each is the one of `GRID` that takes the
fewest steps to the target, and where none arrives, that ends lowest. With two other draws of
batches and 8 workers, methods took up to four tenths more or fewer steps, and the same one needed
the fewest bytes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from mlsys_lib.collectives import softmax_gradient
from mlsys_lib.comm import simulate
from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.gradient_compression import (
    QSGD,
    Collective,
    Compressor,
    ErrorFeedback,
    Memory,
    NoMemory,
    PowerSGD,
    RandomK,
    Sign,
    TernGrad,
    TopK,
    Uncompressed,
    train_compressed,
)

SIZES = (4, 12, 100)
"""How many times smaller than a dense message others are, where a method can be set."""
TARGET, NUM_STEPS, BATCH_SIZE, WINDOW = 0.25, 40, 256, 5
HOPELESS = 0.8
SIDE, NUM_CLASSES = 14, 10
SHAPE = (SIDE**2 + 1, NUM_CLASSES)
NUM_ELEMENTS = SHAPE[0] * SHAPE[1]
ADDED = ("dense", "random-k", "PowerSGD")
"""Methods whose messages an all-reduce can add."""
GATHERED = ("QSGD", "TernGrad", "sign", "top-k")
#: By the size of messages: entries drawn and kept, r, and QSGD's levels and code.
DRAWN, KEPT, RANK_R = {4: 491, 12: 163, 100: 18}, {4: 440, 12: 138, 100: 13}, {4: 2, 12: 1, 100: 1}
QUANTIZERS = {4: QSGD(127), 12: QSGD(1, bucket_size=64), 100: QSGD(1, "elias")}
GRID = (0.05, 0.1, 0.2, 0.4, 0.8)
#: Learning rates by the size of messages, without memory and with it.
RATES = {
    "dense": dict.fromkeys(SIZES, (0.4, 0.4)),
    "random-k": {4: (0.4, 0.8), 12: (0.4, 0.4), 100: (0.1, 0.8)},
    "PowerSGD": {4: (0.4, 0.4), 12: (0.4, 0.2), 100: (0.4, 0.2)},
    "QSGD": {4: (0.4, 0.4), 12: (0.4, 0.2), 100: (0.2, 0.2)},
    "TernGrad": dict.fromkeys(SIZES, (0.4, 0.2)),
    "sign": dict.fromkeys(SIZES, (0.8, 0.8)),
    "top-k": {4: (0.4, 0.4), 12: (0.8, 0.8), 100: (0.8, 0.8)},
}


@dataclass(frozen=True)
class Run:
    """A training: the error after each step, and the mean length of its messages."""

    errors: tuple[float, ...]
    message_bytes: tuple[float, ...]


@cache
def train(
    name: str, size: int, workers: int, memory: bool, learning_rate: float | None = None
) -> Run:
    """Train until the target, or as long as it is worth it; the rate is that of `RATES`."""
    rate = learning_rate or RATES[name][size][memory]
    single, errors, lengths = [], [], []
    for weights, message_bytes in steps_of(name, size, workers, memory, rate):
        single.append(share_wrong(weights))
        errors.append(float(np.mean(single[-WINDOW:])))
        lengths.append(message_bytes)
        if len(single) >= WINDOW and not TARGET < errors[-1] < HOPELESS:
            break
    return Run(tuple(errors), tuple(lengths))


def steps_of(
    name: str, size: int, workers: int, memory: bool, learning_rate: float
) -> Iterable[tuple[np.ndarray, float]]:
    """Return weights after each step, and the mean length of its messages."""
    compressor = compressor_of(name, size, memory)
    if isinstance(compressor, Compressor) and name in GATHERED:
        return in_turns(compressor, memory, learning_rate, workers)
    gradient_of = partial(gradient, num_workers=workers)
    trained = simulate(
        train_compressed, workers, gradient_of, np.zeros(NUM_ELEMENTS), compressor,
        memory_of(memory), learning_rate, NUM_STEPS,
    ).results[0]  # fmt: skip
    return zip(trained.history[1:], map(float, trained.message_bytes), strict=False)


def in_turns(
    compressor: Compressor, memory: bool, learning_rate: float, workers: int
) -> Iterator[tuple[np.ndarray, float]]:
    """Yield what `train_compressed` comes to; each worker decodes its own message alone."""
    memories = [memory_of(memory) for _ in range(workers)]
    weights = np.zeros(NUM_ELEMENTS)
    for step in range(NUM_STEPS):
        total, num_bytes = np.zeros(NUM_ELEMENTS), 0
        for rank, own in enumerate(memories):
            wanted = own.add(learning_rate * gradient(weights, step, rank, num_workers=workers))
            message = compressor.encode(wanted, np.random.default_rng([0, step, rank]))
            sent = compressor.decode(message)
            own.keep(wanted, sent)
            total += sent
            num_bytes += len(message)
        weights = weights - total / workers
        yield weights, num_bytes / workers


def gradient(weights: np.ndarray, step: int, rank: int, *, num_workers: int) -> np.ndarray:
    """Return the mean gradient over a worker's part of the step's images, of shape (1970,)."""
    X, y = batches()[step]
    part = slice(rank * BATCH_SIZE // num_workers, (rank + 1) * BATCH_SIZE // num_workers)
    total = softmax_gradient(weights.reshape(SHAPE), X[part], y[part])[1]
    return total.ravel() / len(y[part])


def compressor_of(name: str, size: int, memory: bool) -> Compressor | Collective:
    """Return the compressor of a method, for messages of 1/size of the dense bytes."""
    makers: dict[str, Callable[[], Compressor | Collective]] = {
        "dense": Uncompressed,
        "random-k": lambda: RandomK(DRAWN[size], unbiased=not memory),
        "PowerSGD": lambda: PowerSGD([SHAPE], RANK_R[size]),
        "QSGD": lambda: QUANTIZERS[size],
        "TernGrad": TernGrad,
        "sign": Sign,
        "top-k": lambda: TopK(KEPT[size]),
    }
    return makers[name]()


def memory_of(memory: bool) -> Memory:
    """Return a worker's memory."""
    return ErrorFeedback() if memory else NoMemory()


def share_wrong(weights: np.ndarray) -> float:
    """Return the share of the test images that are named wrongly."""
    _, _, X, y = pooled_images()
    return float(np.mean((X @ weights.reshape(SHAPE)).argmax(axis=1) != y))


@cache
def batches() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return the images and labels of each step, for all workers together."""
    X, y, _, _ = pooled_images()
    drawn = (
        np.random.default_rng([0, step]).choice(len(y), BATCH_SIZE, replace=False)
        for step in range(NUM_STEPS)
    )
    return tuple((X[rows], y[rows]) for rows in drawn)


@cache
def pooled_images() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return X of shape (n, 197), and y; twice. The training set has mean 0 in each pixel.

    The last column is of ones, for the bias.
    """
    X, y, X_test, y_test = fashion_mnist()
    edge = 28 // SIDE
    pooled = [
        images.reshape(-1, SIDE, edge, SIDE, edge).mean(axis=(2, 4)).reshape(-1, SIDE**2)
        for images in (X, X_test)
    ]
    mean, std = pooled[0].mean(axis=0), pooled[0].std()
    X, X_test = (np.column_stack([(x - mean) / std, np.ones(len(x))]) for x in pooled)
    return X, y, X_test, y_test
