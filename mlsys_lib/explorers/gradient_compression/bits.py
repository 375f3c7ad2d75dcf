"""Bits a number against noise and bytes, for QSGD on a gradient of a real network.

The network has 784, 128 and 10 units; the gradient is that of 32 pictures of `fashion_mnist`, in
step 100 of its training. All 101 770 numbers may share a length, or as few as eight. Noise is
E‖C(x) - x‖² / ‖x‖², by the formula of `qsgd_variance`; beside it stands what messages had, the
mean over `NUM_MESSAGES`. Bytes are lengths of messages.

The left panel counts a number by its size times its length. Then a code that is right on average
does not change the total, and the mean size grows to 1 + noise times itself: with weights
|x_j| · length and sizes |x_j| / length, their product sums to ‖x‖², and to E‖C(x)‖² after.
"""

from functools import cache, partial
from itertools import pairwise

import numpy as np

from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.gradient_compression import QSGD, TernGrad, qsgd_variance, terngrad_variance
from mlsys_lib.gradient_compression.qsgd import bucket_norms
from mlsys_lib.optimizers import SGD, Network
from mlsys_lib.plots.gradient_compression.bits import (
    Bits,
    BitsPlot,
    Setting,
    grid_text,
    growth_text,
    noise_text,
    shared_text,
)

BITS = (1, 2, 3, 4, 5, 6, 7, 8)
NUM_ELEMENTS = 784 * 128 + 128 + 128 * 10 + 10
BUCKET_SIZES = (8, 64, 512, NUM_ELEMENTS)
NUM_STEPS, BATCH_SIZE, LEARNING_RATE = 100, 32, 0.1
NUM_MESSAGES = 3
EDGES = 10.0 ** (np.arange(-65, 2, 2) / 16)
"""Eight to a power of ten; the length itself is in the middle of the last bar."""


def bits_explorer() -> Explorer:
    """Return the explorer: bits, and how many share a length; what arrives, noise and bytes."""
    return Explorer(
        name="bits",
        title="What does one more bit buy, and why is one so few?",
        compute=bits_of_gradient,
        plot=partial(BitsPlot, BUCKET_SIZES),
        controls=(
            Control("bits", BITS, default=1, label="bits a number", format=_bits_text),
            Control(
                "bucket_size", BUCKET_SIZES, default=NUM_ELEMENTS,
                label="one length for", format=format_count,
            ),
        ),
        describe=describe_bits,
        table=bits_table,
    )  # fmt: skip


@cache
def bits_of_gradient(bits: int, bucket_size: int) -> Bits:
    """Return the gradient and a message of it, and the noise of all settings."""
    x = gradient()
    arrived = QSGD(2**bits - 1, bucket_size=bucket_size).compress(x, np.random.default_rng(0))
    lengths = np.repeat(bucket_norms(np.abs(x), bucket_size), bucket_size)[: len(x)]
    return Bits(
        bits=bits,
        bucket_size=bucket_size,
        num_elements=len(x),
        edges=tuple(EDGES.tolist()),
        sizes=shares(x, lengths),
        arrived=shares(arrived, lengths),
        mean_size=float(x @ x / (np.abs(x) @ lengths)),
        num_zeros=int(np.count_nonzero(arrived == 0)),
        settings={size: tuple(setting(b, size) for b in BITS) for size in BUCKET_SIZES},
        terngrad=terngrad(),
    )


def shares(x: np.ndarray, lengths: np.ndarray) -> tuple[float, ...]:
    """Return how much of Σ |x_j| · length lies between two edges of |x_j| / length."""
    sizes = np.abs(x) / np.where(lengths > 0, lengths, 1)
    sizes = np.maximum(sizes, EDGES[0])
    counted, _ = np.histogram(sizes, EDGES, weights=np.abs(x) * lengths)
    return tuple((counted / counted.sum()).tolist())


@cache
def setting(bits: int, bucket_size: int) -> Setting:
    """Return bytes and noise of one QSGD on the gradient."""
    x, num_levels = gradient(), 2**bits - 1
    compressor, squared = QSGD(num_levels, bucket_size=bucket_size), float(x @ x)
    chances = [np.random.default_rng(seed) for seed in range(NUM_MESSAGES)]
    messages = [compressor.encode(x, rng) for rng in chances]
    errors = [np.sum((compressor.decode(message) - x) ** 2) for message in messages]
    return Setting(
        message_bytes=len(messages[0]),
        noise=qsgd_variance(x, num_levels, bucket_size) / squared,
        measured=float(np.mean(errors)) / squared,
        bound=compressor.error_bound(len(x)),
    )


@cache
def terngrad() -> tuple[int, float]:
    """Return the bytes of TernGrad's message, and its noise."""
    x = gradient()
    message = TernGrad().encode(x, np.random.default_rng(0))
    return len(message), terngrad_variance(x) / float(x @ x)


@cache
def layers() -> tuple[np.ndarray, ...]:
    """Return the gradient in step 100 by each array of weights; (128, 784) is the first."""
    images, labels, *_ = fashion_mnist()
    X, rng = images / 255, np.random.default_rng(0)
    network = Network([784, 128, 10], rng)
    walker = SGD(network.weights, learning_rate=LEARNING_RATE)
    for _ in range(NUM_STEPS):
        rows = rng.choice(len(labels), BATCH_SIZE, replace=False)
        _, gradients = network.loss_and_gradients(X[rows], labels[rows])
        walker.step(gradients)
    return tuple(gradients)


@cache
def gradient() -> np.ndarray:
    """Return the whole gradient, of shape (101770,)."""
    return np.concatenate([part.ravel() for part in layers()])


def describe_bits(shown: Bits) -> str:
    """Say which values can arrive, how many arrive as 0, the noise, and what a bit more buys."""
    setting, plural = shown.setting, "s" if shown.bits > 1 else ""
    gain = "" if shown.gain is None else f" A further bit divides the noise by {shown.gain:.3g}."
    others = "; ".join(
        f"{format_count(size)}: {noise_text(settings[shown.bits - 1].noise)}"
        for size, settings in shown.settings.items()
    )
    noise, measured, bound = map(noise_text, (setting.noise, setting.measured, setting.bound))
    return (
        f"QSGD on a gradient of {format_count(shown.num_elements)} numbers, {shown.bits} "
        f"bit{plural} and a sign each, one length for {shared_text(shown)}. What arrives is "
        f"{grid_text(shown.num_levels)} × the length; the root mean square of the numbers is "
        f"1/{shown.bucket_size**0.5:.3g} of it. {shown.zeros_share:.1%} of the numbers arrive as "
        f"0 and the others larger: where each counts by its size, the mean size grows "
        f"{growth_text(setting.noise)} times. Second panel, noise against bits: noise {noise} "
        f"(measured {measured}, at most {bound}) for "
        f"{format_bytes(setting.message_bytes)}, {shown.bits_sent(setting.message_bytes):.2f} bits "
        f"a number.{gain} By how many share a length, with as many bits: {others}. TernGrad: "
        f"{shown.bits_sent(shown.terngrad[0]):.1f} bits a number, noise {shown.terngrad[1]:.3g}."
    )


def bits_table(shown: Bits) -> Table:
    """Return a row for each number of bits: levels, bytes, noise, and what a further one buys."""
    header = ("bits", "levels", "bytes", "noise", "measured", "at most", "a further bit: ÷")
    settings = shown.settings[shown.bucket_size]
    gains = [f"{a.noise / b.noise:.2f}" for a, b in pairwise(settings)]
    rows = [
        (
            bits,
            2**bits - 1,
            format_count(one.message_bytes),
            *map(noise_text, (one.noise, one.measured, one.bound)),
            gain,
        )
        for bits, one, gain in zip(BITS, settings, [*gains, "–"], strict=True)
    ]
    return header, rows


def _bits_text(bits: int) -> str:
    return f"{bits} and a sign"
