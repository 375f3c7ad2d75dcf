"""What any compressor must do; each check fails for some planted wrong version."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mlsys_lib.gradient_compression.compressor import Compressor
from mlsys_lib.gradient_compression.wire import MessageError

Compress = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def vectors(k: int) -> Iterator[np.ndarray]:
    """Random and worst vectors of k numbers that float32 holds exactly."""
    rng = np.random.default_rng([7, k])
    yield rng.normal(size=k).astype(np.float32)
    yield np.ones(k, np.float32)
    yield np.where(np.arange(k) == k // 2, -3.0, 0.0).astype(np.float32)
    yield (rng.choice([-1, 1], k) * 2.0 ** -np.arange(k)).astype(np.float32)
    yield (1e-30 * rng.normal(size=k)).astype(np.float32)
    yield (1e30 * rng.normal(size=k)).astype(np.float32)


def square(x: np.ndarray) -> float:
    """Return ‖x‖²."""
    return float(np.sum(np.square(x, dtype=np.float64)))


def check_contraction(compress: Compress, bound: float, x: np.ndarray, draws: int = 1) -> None:
    """E‖C(x) - x‖² <= Θ ‖x‖²; over several draws with five standard errors to spare."""
    rng = np.random.default_rng(0)
    errors = np.array([square(compress(x, rng) - x) for _ in range(draws)]) / max(square(x), 1e-99)
    allowance = 5 * errors.std() / np.sqrt(draws)
    assert errors.mean() <= bound + allowance + 1e-12


def check_unbiased(
    compress: Compress, x: np.ndarray, draws: int = 1000, std: np.ndarray | None = None
) -> None:
    """E C(x) = x in each entry, within six standard errors of the mean of the draws.

    `std` is that of an entry, where it is known; rare entries may not come up in the draws.
    """
    rng = np.random.default_rng(1)
    sample = np.array([compress(x, rng) for _ in range(draws)])
    std = sample.std(axis=0) if std is None else std
    allowance = 6 * std / np.sqrt(draws) + 1e-6 * np.abs(x)
    assert np.all(np.abs(sample.mean(axis=0) - x) <= allowance)


def check_edges(compressor: Compressor, sizes: tuple[int, ...]) -> None:
    """Zeros stay zeros; outcomes are finite float64 of the same length; the input is left alone."""
    rng = np.random.default_rng(2)
    for k in sizes:
        for dtype in (np.float16, np.float32, np.float64):
            zeros = np.zeros(k, dtype)
            np.testing.assert_array_equal(compressor.compress(zeros, rng), np.zeros(k))
            x = rng.normal(size=k).astype(dtype)
            x.flags.writeable = False
            message = compressor.encode(x, rng)
            decoded = compressor.decode(message)
            assert (message.dtype, message.ndim) == (np.uint8, 1)
            assert (decoded.dtype, decoded.shape) == (np.float64, (k,))
            assert np.isfinite(decoded).all()


def check_refusals(compressor: Compressor, k: int) -> None:
    """What is no finite vector is refused with the reason."""
    rng = np.random.default_rng(3)
    x = np.ones(k)
    for bad in (np.nan, np.inf, -np.inf):
        x[k - 1] = bad
        with pytest.raises(ValueError, match=f"x must be finite, got {bad} at entry {k - 1}"):
            compressor.encode(x, rng)
    with pytest.raises(ValueError, match="x must be one-dimensional"):
        compressor.encode(np.ones((k, 1)), rng)
    with pytest.raises(ValueError, match="x must have 1"):
        compressor.encode(np.ones(0), rng)
    with pytest.raises(TypeError, match="x must be an array of float"):
        compressor.encode(np.ones(k, np.int64), rng)


def check_hostile_bytes(compressor: Compressor, x: np.ndarray) -> None:
    """Cut, lengthened, foreign and flipped messages are refused, or mean a finite vector."""
    message = compressor.encode(x, np.random.default_rng(4))
    for length in range(len(message)):
        with pytest.raises(MessageError):
            compressor.decode(message[:length])
    with pytest.raises(MessageError):
        compressor.decode(np.append(message, np.uint8(0)))
    foreign = message.copy()
    foreign[0] = 99
    with pytest.raises(MessageError, match="must be of kind"):
        compressor.decode(foreign)
    for place in range(len(message)):
        for value in (0, 1, 127, 255, *(int(message[place]) ^ (1 << bit) for bit in range(8))):
            changed = message.copy()
            changed[place] = value
            try:
                decoded = compressor.decode(changed)
            except MessageError:
                continue
            said = int.from_bytes(changed[1:5].tobytes(), "little")
            assert decoded.shape == (said,) and np.isfinite(decoded).all()
