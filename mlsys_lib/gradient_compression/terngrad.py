"""TernGrad: each number becomes -1, 0 or 1 times the largest magnitude, by chance.

Wen, Xu, Yan, Wu, Wang, Chen & Li, "TernGrad: ternary gradients to reduce communication in
distributed deep learning", NeurIPS 2017, arXiv:1705.07878, equations 2-4:

    C(x)_i = scale · sign(x_i) · b_i,    P(b_i = 1) = |x_i| / scale,    scale = max |x_i|.

It is unbiased. Its variance is scale · ‖x‖₁ - ‖x‖², which one large number spoils, so the paper
cuts all numbers at 2.5 σ first. That cuts the variance too, and makes it *biased*.

How ours differs. Five digits of base 3 share a byte (3⁵ = 243 <= 256): 1.6 bits a number, where two
bits are usual. σ is the root mean square of x. The paper's standard deviation is the same where the
mean is near 0, but would cut a gradient of equal numbers to nothing. Workers do not share a scale,
so their messages are gathered, not added on the way. The scale is rounded up to float32.

>>> x, rng = np.array([1.0, -4.0, 0.0]), np.random.default_rng(0)
>>> np.mean([TernGrad().compress(x, rng) for _ in range(1000)], axis=0).round()
array([ 1., -4.,  0.])
>>> len(TernGrad().encode(np.ones(1000), rng))  # 5 + 4 + 1000 / 5
209
"""

import math
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import positive
from mlsys_lib.gradient_compression.compressor import Compressor, magnitudes_of
from mlsys_lib.gradient_compression.wire import (
    FLOAT32_SLACK,
    Kind,
    MessageError,
    finish,
    float32_above,
    open_message,
    pack_float32,
    seal,
    take,
    take_scales,
)

TRITS = 5
POWERS = np.array([1, 3, 9, 27, 81], np.uint8)


@dataclass(frozen=True)
class TernGrad(Compressor):
    """Random rounding to -scale, 0 and scale.

    Parameters
    ----------
    clip : float, optional
        Cut magnitudes at `clip` · σ before; the paper's c, 2.5 there. No cut if left out. With it
        the compressor is neither unbiased nor a contraction: see `error_bound`.
    """

    clip: float | None = None

    name = "TernGrad"
    aggregation = "all_gather"

    def __post_init__(self) -> None:
        if self.clip is not None:
            positive("clip", self.clip)

    @property
    def is_unbiased(self) -> bool:
        """Whether nothing is cut."""
        return self.clip is None

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`.

        Draws k numbers of `rng.random`, in the order of x.
        """
        magnitudes = clipped(magnitudes_of(x), self.clip)
        scale = float32_above(float(magnitudes.max()))
        sent = rng.random(len(x)) * scale < magnitudes
        trits = np.where(sent, np.where(np.signbit(x), np.uint8(2), np.uint8(1)), np.uint8(0))
        return seal(Kind.TERNGRAD, len(x), pack_float32(scale), pack_trits(trits))

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        k, body = open_message(message, Kind.TERNGRAD)
        (scale,), body = take_scales(body, 1)
        values: np.ndarray = np.array([0.0, scale, -scale])[unpack_trits(body, k)]
        return values

    def error_bound(self, k: int) -> float:
        """Return (√k - 1) / 2, the share of ‖x‖² that the variance may reach.

        That is at x = (1, a, …, a) with a = 1 / (√k + 1). With `clip` c, variance and squared bias
        are together at most (1 + c²/8) ‖x‖², for any k: as much as that is not what a contraction
        leaves, so an error memory comes without a guarantee.
        """
        variance = FLOAT32_SLACK * (math.sqrt(k) + 1) / 2 - 1
        if self.clip is None or k <= self.clip**2:  # no number of k exceeds √k σ
            return variance
        return 1 + (FLOAT32_SLACK * self.clip) ** 2 / 8


def clipped(magnitudes: np.ndarray, clip: float | None) -> np.ndarray:
    """Return magnitudes cut at `clip` · σ, σ their root mean square; all of them without a clip."""
    if clip is None:
        return magnitudes
    peak = float(magnitudes.max())
    if peak == 0:
        return magnitudes
    ratios = magnitudes / peak  # so that no square is too small or too large
    limit = clip * peak * math.sqrt(float(np.mean(ratios**2)))
    cut: np.ndarray = np.minimum(magnitudes, limit)
    return cut


def terngrad_variance(x: np.ndarray, clip: float | None = None) -> float:
    """Return E‖C(x) - E C(x)‖² = scale · ‖y‖₁ - ‖y‖² exactly, y being x cut at `clip` · σ.

    Parameters
    ----------
    x : ndarray of shape (k,), floating
    clip : float, optional
        As for `TernGrad`. The squared bias is ‖x - y‖², which is not in it.
    """
    y = clipped(magnitudes_of(x), clip)
    return float(float32_above(float(y.max())) * y.sum() - y @ y)


def pack_trits(trits: np.ndarray) -> np.ndarray:
    """Return digits of base 3 as bytes, five each, the first one lowest.

    Parameters
    ----------
    trits : ndarray of shape (count,), uint8
        Each 0, 1 or 2.

    Returns
    -------
    ndarray of shape (⌈count / 5⌉,), uint8
        The last one filled with zeros.

    Examples
    --------
    >>> pack_trits(np.array([1, 2, 0, 0, 1, 2], np.uint8))  # 1 + 2·3 + 81, and 2
    array([88,  2], dtype=uint8)
    """
    filled = np.zeros(-(-len(trits) // TRITS) * TRITS, np.uint8)
    filled[: len(trits)] = trits
    columns = filled.reshape(-1, TRITS)
    packed = columns[:, 0].copy()
    for place in range(1, TRITS):
        packed += columns[:, place] * POWERS[place]
    return packed


def unpack_trits(body: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` digits of base 3 that make up the whole body.

    Returns
    -------
    ndarray of shape (count,), uint8

    Raises
    ------
    MessageError
        If the body is shorter or longer, has a byte above 242, or is not filled with zeros.
    """
    packed, rest = take(body, -(-count // TRITS))
    finish(rest)
    if len(packed) and packed.max() >= 3**TRITS:
        raise MessageError(f"message must have bytes up to {3**TRITS - 1}, got {packed.max()}")
    table = np.arange(3**TRITS)[:, None] // POWERS % 3
    trits: np.ndarray = table.astype(np.uint8)[packed].ravel()
    if trits[count:].any():
        raise MessageError("message is inconsistent: its last digits are not zero")
    return trits[:count]
