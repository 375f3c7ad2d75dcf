"""What tests of compressors share: chance under control, and bytes that went wrong."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlsys_lib.gradient_compression import Compressor


class Constant(np.random.Generator):
    """A generator whose every uniform number is the same."""

    def __init__(self, value: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.value = value

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        return np.full(size, self.value)


def all_outcomes(compressor: Compressor, x: np.ndarray, denominator: int) -> np.ndarray:
    """C(x) for the uniform numbers (j + 1/2) / denominator; shape (denominator, k).

    A coordinate is the higher of two values while the uniform number is below its probability. If
    all probabilities are multiples of 1/denominator, the mean of the rows is E C(x), exactly.
    """
    points = (np.arange(denominator) + 0.5) / denominator
    return np.array([compressor.compress(x, Constant(point)) for point in points])


def worst_deviation(compressor: Compressor, x: np.ndarray, draws: int, seed: int = 0) -> float:
    """The largest |mean - x| over entries, in standard errors of the mean."""
    rng = np.random.default_rng(seed)
    sample = np.array([compressor.compress(x, rng) for _ in range(draws)])
    error = np.abs(sample.mean(axis=0) - x)
    spread = sample.std(axis=0) / np.sqrt(draws)
    return float(np.max(error / np.maximum(spread, 1e-9)))


def damaged(message: np.ndarray) -> Iterator[np.ndarray]:
    """Each truncation, each flipped bit, each byte set to 0 and 255, and bytes too many."""
    for length in range(len(message)):
        yield message[:length]
    for place in range(len(message)):
        for new in {int(message[place]) ^ 1 << bit for bit in range(8)} | {0, 255}:
            changed = message.copy()
            changed[place] = new
            yield changed
    for extra in (0, 255):
        yield np.append(message, np.uint8(extra))
