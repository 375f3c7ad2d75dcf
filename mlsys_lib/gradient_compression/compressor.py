"""What a compressor is: gradient in, bytes out, and a vector that the bytes mean.

Two kinds keep training convergent. An *unbiased* one has E C(x) = x and adds variance. A
*contraction* leaves a share Θ < 1 of the error, E‖C(x) - x‖² <= Θ ‖x‖², and needs a memory of what
it has not sent (Stich, Cordonnier & Jaggi, "Sparsified SGD with memory", NeurIPS 2018,
arXiv:1809.07599; Karimireddy et al., "Error feedback fixes SignSGD", ICML 2019, arXiv:1901.09847).

>>> compressor = Uncompressed()
>>> message = compressor.encode(np.array([0.5, -2.0]), np.random.default_rng(0))
>>> len(message), compressor.decode(message)
(13, array([ 0.5, -2. ]))
"""

from abc import ABC, abstractmethod

import numpy as np

from mlsys_lib.gradient_compression.wire import (
    MAX_ELEMENTS,
    Kind,
    finish,
    open_message,
    pack_float32,
    seal,
    take_float32,
)

FLOATS = (np.float16, np.float32, np.float64)


class Compressor(ABC):
    """A pair of functions: `encode` makes a message of a gradient, `decode` a vector of a message.

    A compressor has settings and no state, so one object may serve all ranks. Both sides need the
    same settings; a message of other settings is refused where it can be told.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The word for it in tables and legends."""

    @property
    @abstractmethod
    def is_unbiased(self) -> bool:
        """Whether E C(x) = x for every x."""

    @property
    @abstractmethod
    def aggregation(self) -> str:
        """How messages of many workers are added.

        "all_reduce" where the sum of what two messages mean is one such message, so that it can be
        formed on the way; else "all_gather": everyone gets all messages.
        """

    @abstractmethod
    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient.

        Parameters
        ----------
        x : ndarray of shape (k,), floating
            k >= 1, all finite, float16, float32 or float64. Not modified.
        rng : Generator
            Where chance comes from; a compressor without chance leaves it alone.

        Returns
        -------
        ndarray of shape (num_bytes,), uint8

        Raises
        ------
        TypeError, ValueError
            If x is not such an array.
        """

    @abstractmethod
    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means.

        Parameters
        ----------
        message : ndarray of shape (num_bytes,), uint8
            Of any origin.

        Returns
        -------
        ndarray of shape (k,), float64
            All finite.

        Raises
        ------
        MessageError
            If the bytes are no message of this compressor.
        """

    @abstractmethod
    def error_bound(self, k: int) -> float:
        """Return the least known c with E‖C(x) - x‖² <= c ‖x‖² for all x of k numbers.

        For a contraction it is Θ < 1. It allows for scales that are rounded to float32, and holds
        where ‖x‖ is in float32's normal range, above 1.2e-38.
        """

    def compress(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return ``decode(encode(x, rng))``: what the other ranks will take x for."""
        return self.decode(self.encode(x, rng))


class Uncompressed(Compressor):
    """All numbers as float32: what the others are compared with.

    Exact for float32; a float64 is rounded to the nearest, which is a contraction with Θ = 2⁻⁴⁸.
    A message has 5 + 4 k bytes.
    """

    name = "uncompressed"
    is_unbiased = False
    aggregation = "all_reduce"

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`."""
        return seal(Kind.UNCOMPRESSED, len(as_gradient(x)), pack_float32(x))

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        num_elements, body = open_message(message, Kind.UNCOMPRESSED)
        values, rest = take_float32(body, num_elements)
        finish(rest)
        return values

    def error_bound(self, k: int) -> float:
        """Return 2⁻⁴⁸: each number keeps 24 bits."""
        return 2.0**-48


def as_gradient(x: np.ndarray) -> np.ndarray:
    """Return x as it is if a compressor takes it, else raise.

    Raises
    ------
    TypeError
        If x is no array of float16, float32 or float64.
    ValueError
        If x is not one-dimensional, is empty or too long, or has a number that is not finite.

    Examples
    --------
    >>> as_gradient(np.array([1.0, np.nan]))
    Traceback (most recent call last):
    ...
    ValueError: x must be finite, got nan at entry 1
    """
    kind = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
    if kind not in FLOATS:
        raise TypeError(f"x must be an array of float16, float32 or float64, got {kind}")
    if x.ndim != 1:
        raise ValueError(f"x must be one-dimensional, got shape {x.shape}")
    if not 1 <= len(x) <= MAX_ELEMENTS:
        raise ValueError(f"x must have 1…{MAX_ELEMENTS} entries, got {len(x)}")
    finite = np.isfinite(x)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(f"x must be finite, got {x[first]} at entry {first}")
    return x


def magnitudes_of(x: np.ndarray) -> np.ndarray:
    """Return |x| as float64, of x that `as_gradient` takes."""
    magnitudes: np.ndarray = np.abs(as_gradient(x), dtype=np.float64)
    return magnitudes
