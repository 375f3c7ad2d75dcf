"""One bit a number: the sign alone, the sign times the mean magnitude, or the mean of each half.

`Sign` is C(x) = (‖x‖₁ / k) · sign(x), which Karimireddy, Rebjock, Stich & Jaggi, "Error feedback
fixes SignSGD and other gradient compression schemes", ICML 2019, arXiv:1901.09847, show to be a
contraction:

    ‖C(x) - x‖² = ‖x‖² - ‖x‖₁² / k = Θ ‖x‖²,    Θ = 1 - ‖x‖₁² / (k ‖x‖²) <= 1 - 1/k.

On Gaussian numbers Θ is near 1 - 2/π. `OneBit` is of Seide, Fu, Droppo, Li & Yu, "1-bit stochastic
gradient descent and its application to data-parallel distributed training of speech DNNs",
Interspeech 2014, doi:10.21437/Interspeech.2014-274: two values, the mean of the numbers below 0
and that of the others. No two values for these halves are nearer to x, so it is no worse than
`Sign`. Both are biased and need a memory.

How ours differs: the paper has a pair of means for each column of a weight matrix, ours one for the
gradient. Everywhere here the sign of 0, and of -0, is plus. Scales are rounded to float32.

>>> x, rng = np.array([3.0, -1.0, 0.5, -1.5]), np.random.default_rng(0)
>>> Sign().compress(x, rng)
array([ 1.5, -1.5,  1.5, -1.5])
>>> OneBit().compress(x, rng)
array([ 1.75, -1.25,  1.75, -1.25])
>>> len(Sign().encode(x, rng)), len(OneBit().encode(x, rng))
(10, 14)
"""

import numpy as np

from mlsys_lib.gradient_compression.compressor import Compressor, as_gradient
from mlsys_lib.gradient_compression.wire import (
    Kind,
    open_message,
    pack_bits,
    pack_float32,
    seal,
    take_float32,
    take_scales,
    unpack_bits,
)

ROUNDING = 2.0**-48  # what a scale in float32 may add to Θ


class Sign(Compressor):
    """The sign of each number times the mean magnitude; a message has 9 + ⌈k / 8⌉ bytes."""

    name = "sign"
    is_unbiased = False
    aggregation = "all_gather"

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`."""
        signs = pack_signs(x)
        scale = float(np.mean(np.abs(x), dtype=np.float64))
        return seal(Kind.SIGN, len(x), pack_float32(scale), signs)

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        k, body = open_message(message, Kind.SIGN)
        (scale,), body = take_scales(body, 1)
        values: np.ndarray = scale * unpack_signs(body, k)
        return values

    def error_bound(self, k: int) -> float:
        """Return Θ = 1 - 1/k, reached where only one number is not 0."""
        return 1 - 1 / k + ROUNDING


class OneBit(Compressor):
    """The mean of the numbers on each side of 0; a message has 13 + ⌈k / 8⌉ bytes."""

    name = "1-bit"
    is_unbiased = False
    aggregation = "all_gather"

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`."""
        is_negative = as_gradient(x) < 0
        means = [_mean(x[~is_negative]), _mean(x[is_negative])]
        return seal(Kind.ONE_BIT, len(x), pack_float32(np.array(means)), pack_bits(is_negative, 1))

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        k, body = open_message(message, Kind.ONE_BIT)
        means, body = take_float32(body, 2)
        values: np.ndarray = means[unpack_bits(body, 1, k)]
        return values

    def error_bound(self, k: int) -> float:
        """Return Θ = 1 - 1/k, reached where one number is above 0 and all others are 0."""
        return 1 - 1 / k + ROUNDING


def _mean(part: np.ndarray) -> float:
    return float(np.mean(part, dtype=np.float64)) if len(part) else 0.0


def pack_signs(x: np.ndarray) -> np.ndarray:
    """Return one bit for each number, 1 where it is below 0, for votes and the like.

    Parameters
    ----------
    x : ndarray of shape (k,), floating
        As `Compressor.encode` takes it.

    Returns
    -------
    ndarray of shape (⌈k / 8⌉,), uint8
        The first number in the lowest bit; the last byte is filled with zeros.

    Examples
    --------
    >>> pack_signs(np.array([2.0, -1.0, 0.0, -0.0, -3.0]))
    array([18], dtype=uint8)
    """
    return pack_bits(as_gradient(x) < 0, 1)


def unpack_signs(body: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` signs that make up the whole body.

    Returns
    -------
    ndarray of shape (count,), int8
        1 or -1.

    Raises
    ------
    MessageError
        If the body is shorter or longer, or its last byte is not filled with zeros.
    """
    return (1 - 2 * unpack_bits(body, 1, count).astype(np.int8)).astype(np.int8)
