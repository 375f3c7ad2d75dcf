"""Accuracy against bytes: one model, trained with seven ways to send its gradient.

The model is softmax regression on `fashion_mnist`, pooled to 14 by 14 pixels: k = 1970. In each
step the same 256 images are dealt to the workers, whatever the method and however many they are.
Error is the share of the 1000 test images that are named wrongly, the mean over the last five
steps, for single steps jump about. A run ends once it is 25 %, or beyond hope, or after 40 steps.

Bytes are lengths of the library's packed messages. What adds up on the way (dense, random-k,
PowerSGD) depends on the mean over workers alone: one run of `train_compressed`, on one rank, serves
any number of workers. For the others there are as many workers as the slider says. They take turns
here, in one thread, and come to the weights of `train_compressed`, to the bit. What a worker
receives follows from the lengths, and is the mean over workers. The tests hold this to runs and
their ledgers.

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
from mlsys_lib.core.units import format_bytes
from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
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
from mlsys_lib.gradient_compression.aggregate import SIZE_BYTES
from mlsys_lib.gradient_compression.wire import FLOAT_BYTES
from mlsys_lib.plots.gradient_compression.wire import Method, Wire, WirePlot, ending

WORKERS = (2, 8, 32)
SIZES = (4, 12, 100)
"""How many times smaller than a dense message others are, where a method can be set."""
TARGET, NUM_STEPS, BATCH_SIZE, WINDOW = 0.25, 40, 256, 5
HOPELESS = 0.8
SIDE, NUM_CLASSES = 14, 10
SHAPE = (SIDE**2 + 1, NUM_CLASSES)
NUM_ELEMENTS = SHAPE[0] * SHAPE[1]
COUNTS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Workers along the second panel."""
ADDED = ("dense", "random-k", "PowerSGD")
"""Methods whose messages an all-reduce can add."""
GATHERED = ("QSGD", "TernGrad", "sign", "top-k")
SETTABLE = ("random-k", "PowerSGD", "QSGD", "top-k")
#: By the size of messages: entries drawn and kept, r, and QSGD's levels and code.
DRAWN, KEPT, RANK_R = {4: 491, 12: 163, 100: 18}, {4: 440, 12: 138, 100: 13}, {4: 2, 12: 1, 100: 1}
QUANTIZERS = {4: QSGD(127), 12: QSGD(1, bucket_size=64), 100: QSGD(1, "elias")}
QUANTIZER_WORDS = {4: "8 bits", 12: "2 bits", 100: "Elias"}
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


def wire_explorer() -> Explorer:
    """Return the explorer: size of messages, workers, memory; bytes to the same accuracy."""
    return Explorer(
        name="wire",
        title="Accuracy against bytes: who needs the fewest, and who needs a memory?",
        compute=wire,
        plot=partial(WirePlot, TARGET, COUNTS),
        controls=(
            Control("size", SIZES, default=12, label="message size", format=_size_text),
            Control("workers", WORKERS, default=8),
            Control(
                "memory", (False, True), default=True, label="error memory",
                format=lambda memory: "on" if memory else "off",
            ),
        ),
        describe=describe_wire,
        table=wire_table,
    )  # fmt: skip


def wire(size: int, workers: int, memory: bool) -> Wire:
    """Return the way of each method to the target."""
    methods = tuple(method(name, size, workers, memory) for name in (*ADDED, *GATHERED))
    return Wire(size, workers, memory, TARGET, NUM_STEPS, COUNTS, methods)


def method(name: str, size: int, workers: int, memory: bool) -> Method:
    """Return a method's errors, its bytes until then, and those of a step with other workers."""
    is_added = name in ADDED
    run = train(
        name,
        size if name in SETTABLE else SIZES[0],
        1 if is_added else workers,
        memory and name != "dense",
    )
    lengths = np.array(run.message_bytes)
    mean = float(lengths.mean())
    received = received_bytes(lengths, workers, is_added=is_added)
    steps = received_bytes(mean, np.array(COUNTS), is_added=is_added)
    return Method(
        name,
        setting_of(name, size),
        is_added,
        run.errors,
        tuple(np.cumsum(received).tolist()),
        tuple(steps.tolist()),
        None if is_added else 2 * FLOAT_BYTES * NUM_ELEMENTS / (mean + SIZE_BYTES),
    )


def received_bytes(
    message_bytes: float | np.ndarray, workers: int | np.ndarray, *, is_added: bool
) -> np.ndarray:
    """Return what a worker receives in a step, in the mean over workers.

    A ring that adds brings 2 (m - 1) / m messages; one that gathers brings the m - 1 messages of
    the others, and their lengths.
    """
    others = np.asarray(workers) - 1
    if is_added:
        return np.asarray(2 * others / workers * message_bytes)
    return np.asarray(others * (message_bytes + SIZE_BYTES))


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


def setting_of(name: str, size: int) -> str:
    """Return a method's setting in words."""
    words = {
        "random-k": f"{DRAWN[size] / NUM_ELEMENTS:.1%}",
        "PowerSGD": f"r = {RANK_R[size]}",
        "QSGD": QUANTIZER_WORDS[size],
        "top-k": f"{KEPT[size] / NUM_ELEMENTS:.1%}",
    }
    return words.get(name, "")


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


def describe_wire(shown: Wire) -> str:
    """Say who arrives with the fewest bytes, what each needs, and what a step costs."""
    first = " and ".join(method.name for method in shown.winners)
    ways = "; ".join(f"{m.title}: {_way(m, shown.target)}" for m in shown.methods)
    costs = "; ".join(f"{m.name} {_cost(m, shown)}" for m in shown.methods)
    return (
        f"Test error of softmax regression against the bytes that a worker has received: "
        f"{shown.workers} workers, messages of 1/{shown.size} of the dense bytes where a method "
        f"can be set, error memory {'on' if shown.memory else 'off'}. Fewest bytes to an error of "
        f"{shown.target:.0%}: {first}. By method: {ways}. Second panel: bytes of a step against "
        f"workers; as multiples of a dense step, with {shown.workers} workers: {costs}."
    )


def _size_text(size: int) -> str:
    return f"1/{size}"


def _way(method: Method, target: float) -> str:
    steps = len(method.errors)
    return f"{ending(method, target)} after {steps} steps"


def _cost(method: Method, shown: Wire) -> str:
    even = "" if method.even_at is None else f", as much as dense at {method.even_at:.0f} workers"
    return f"{shown.to_dense(method):.2g}{even}"


def wire_table(shown: Wire) -> Table:
    """Return a row a method: steps and bytes to the target, and what a step costs."""
    header = ("method", "messages are", "steps", "bytes", "error", "a step", "as dense at")
    at = shown.counts.index(shown.workers)
    rows = []
    for m in shown.methods:
        reached = m.errors[-1] <= shown.target
        rows.append(
            (
                m.title,
                "added" if m.is_added else "gathered",
                len(m.errors),
                format_bytes(m.received_bytes[-1]) if reached else "not reached",
                f"{m.errors[-1]:.1%}",
                format_bytes(m.step_bytes[at]),
                "–" if m.even_at is None else f"{m.even_at:.0f} workers",
            )
        )
    return header, rows
