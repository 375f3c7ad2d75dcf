"""ATOMO: which atoms of a gradient to send with which probability, so that chance costs least.

Wang et al., "ATOMO: communication-efficient learning via atomic sparsification", NeurIPS 2018,
arXiv:1806.04090. A gradient g = Σ λ_i a_i in orthonormal atoms is sent as Σ (λ_i / p_i) a_i over
the atoms that come up, each with its own probability p_i. That is unbiased. Its variance
Σ λ_i² (1/p_i - 1) is least, among all p with Σ p_i = budget and 0 < p_i <= 1, for

    p_i = min(1, |λ_i| / √ν),    ν such that the sum is the budget.

Their algorithm 1 finds ν atom by atom, the largest first; ours does the same for all at once. The
authors' released sampler is not this algorithm: see `counterexamples`.

An atom that is not sure to be sent has λ_i / p_i = ±√ν, the same size for all. So in `Atomo`, whose
atoms are the entries of g, one float32 √ν and a sign each do for them. √ν is rounded up, and the
probabilities follow from the rounded one, so that what is sent is still unbiased.
"""

import math
from typing import NamedTuple

import numpy as np

from mlsys_lib.core.validate import positive
from mlsys_lib.gradient_compression.compressor import Compressor, as_gradient
from mlsys_lib.gradient_compression.index_code import decode_indices, encode_indices
from mlsys_lib.gradient_compression.wire import (
    Kind,
    MessageError,
    finish,
    float32_above,
    open_message,
    pack_bits,
    pack_float32,
    packed_bytes,
    seal,
    take,
    take_float32,
    unpack_bits,
)


def atomo_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    """Return the probabilities of least variance.

    Parameters
    ----------
    magnitudes : ndarray of shape (k,), k >= 1
        λ_i, or their sizes: signs do not count.
    budget : float
        How many atoms are sent on average, in (0, k]. The s of the paper.

    Returns
    -------
    ndarray of shape (k,), float64
        An atom of magnitude 0 has probability 0. The sum is the smaller of the budget and the
        number of other atoms.

    Notes
    -----
    O(k + budget log budget): only the largest ones, as many as the budget, are sorted.

    Examples
    --------
    >>> atomo_probabilities(np.array([10, 3, 2, 1, 1, 0.5]), 2).round(6)
    array([1.      , 0.4     , 0.266667, 0.133333, 0.133333, 0.066667])
    """
    magnitudes = _checked(magnitudes)
    return _probabilities(magnitudes, atomo_scale(magnitudes, budget))


def atomo_scale(magnitudes: np.ndarray, budget: float) -> float:
    """Return √ν, what an atom that is sent with p_i < 1 counts for; 0 where all are sent.

    Notes
    -----
    With the magnitudes in falling order, i is the first for which
    |λ_i| (budget - i) <= Σ_{j >= i} |λ_j|, counted from 0; then √ν is that sum over budget - i.
    """
    magnitudes = _checked(magnitudes)
    budget = checked_budget(budget, len(magnitudes))
    largest = float(magnitudes.max())
    if largest == 0:
        return 0.0
    shares = magnitudes / largest  # so that no sum overflows
    count = math.ceil(budget)
    shares.partition(len(shares) - count)
    top = np.sort(shares[len(shares) - count :])
    tails = (shares[: len(shares) - count].sum() + np.cumsum(top))[::-1]
    left = budget - np.arange(count)  # what the budget still has for the tail
    first = int(np.argmax(top[::-1] * left <= tails))
    return float(tails[first] / left[first]) * largest


def sampling_variance(magnitudes: np.ndarray, probabilities: np.ndarray) -> float:
    """Return Σ λ_i² (1/p_i - 1), the variance of sending each atom with its own probability.

    Parameters
    ----------
    magnitudes, probabilities : ndarrays of shape (k,)
        Any probabilities in [0, 1]; infinite if an atom that is not zero is never sent.

    Examples
    --------
    >>> sampling_variance(np.array([3.0, 1.0]), np.array([1.0, 0.5]))
    1.0
    """
    magnitudes, probabilities = _checked(magnitudes), np.asarray(probabilities, np.float64)
    if probabilities.shape != magnitudes.shape or not np.all(
        (probabilities >= 0) & (probabilities <= 1)
    ):
        raise ValueError(
            f"probabilities must be {len(magnitudes)} numbers in [0, 1], got {probabilities}"
        )
    there = magnitudes > 0
    if np.any(probabilities[there] == 0):
        return math.inf
    return float(np.sum(magnitudes[there] ** 2 * (1 / probabilities[there] - 1)))


def atomo_variance(magnitudes: np.ndarray, budget: float) -> float:
    """Return the least variance: that of `atomo_probabilities`.

    Examples
    --------
    E‖ĝ‖² is this and ‖g‖² together: 156.25 here.

    >>> magnitudes = np.array([10, 3, 2, 1, 1, 0.5])
    >>> round(atomo_variance(magnitudes, 2) + float(magnitudes @ magnitudes), 9)
    156.25
    """
    return sampling_variance(magnitudes, atomo_probabilities(magnitudes, budget))


class Draw(NamedTuple):
    """Which atoms are sent.

    Attributes
    ----------
    certain : ndarray of int64
        Atoms with p_i = 1, in rising order; they are sent as they are.
    chosen : ndarray of int64
        Those that came up among the others, in rising order; each counts ±`scale`.
    scale : float
        √ν, a float32.
    """

    certain: np.ndarray
    chosen: np.ndarray
    scale: float


def draw_atoms(magnitudes: np.ndarray, budget: float, rng: np.random.Generator) -> Draw:
    """Draw the atoms of one message.

    Notes
    -----
    An atom within float32's rounding of √ν is sent for sure, as it is. That is unbiased too, and
    exceeds the budget by no more than one part in eight million.
    """
    scale = float32_above(atomo_scale(magnitudes, budget))
    magnitudes = np.abs(magnitudes)
    certain = (magnitudes > 0) & (magnitudes >= scale * (1 - 2.0**-23))
    chosen = ~certain & (rng.random(len(magnitudes)) * scale < magnitudes)
    return Draw(np.flatnonzero(certain), np.flatnonzero(chosen), scale)


class Atomo(Compressor):
    """ATOMO whose atoms are the entries of the gradient.

    Parameters
    ----------
    budget : float
        Entries sent on average, in (0, k] (k is what only a gradient tells).

    Notes
    -----
    A message has 19 bytes, the Rice codes of two sets of indices, 4 bytes for each entry that is
    certain and one bit for each other one that came up. Entries travel as float32: "unbiased" is
    meant for float32 gradients, and others are off by 2⁻²⁴ of an entry.

    Examples
    --------
    >>> x, rng = np.array([4.0, -1.0, 1.0, 0.0]), np.random.default_rng(0)
    >>> Atomo(budget=2).compress(x, rng)
    array([ 4., -2.,  2.,  0.])
    """

    name = "ATOMO"
    is_unbiased = True
    aggregation = "all_gather"

    def __init__(self, budget: float) -> None:
        self.budget = checked_budget(budget, math.inf)

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`."""
        values = as_gradient(x).astype(np.float64)
        draw = draw_atoms(values, checked_budget(self.budget, len(values)), rng)
        return seal(
            Kind.ATOMO,
            len(values),
            pack_float32(draw.scale),
            encode_indices(draw.certain, len(values)),
            pack_float32(values[draw.certain]),
            encode_indices(draw.chosen, len(values)),
            pack_bits(values[draw.chosen] < 0, 1),
        )

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        num_elements, body = open_message(message, Kind.ATOMO)
        (scale,), body = take_float32(body, 1)
        certain, body = decode_indices(body, num_elements)
        values, body = take_float32(body, len(certain))
        chosen, body = decode_indices(body, num_elements)
        signs, rest = take(body, packed_bytes(len(chosen), 1))
        finish(rest)
        if len(np.intersect1d(certain, chosen, assume_unique=True)):
            raise MessageError("message is inconsistent: it has an entry twice")
        x = np.zeros(num_elements)
        x[certain] = values
        x[chosen] = np.where(unpack_bits(signs, 1, len(chosen)), -scale, scale)
        return x

    def error_bound(self, k: int) -> float:
        """Return k/budget - 1, reached where all entries are as large (and rounding to float32)."""
        return k / checked_budget(self.budget, k) * (1 + 2.0**-22) - 1


def checked_budget(budget: float, num_atoms: float) -> float:
    """Return `budget` as a finite float in (0, num_atoms]."""
    number = positive("budget", budget)
    if number > num_atoms:
        raise ValueError(f"budget must be in (0, {num_atoms}], the number of atoms, got {budget!r}")
    return number


def _probabilities(magnitudes: np.ndarray, scale: float) -> np.ndarray:
    """Return min(1, |λ_i| / √ν); with √ν = 0 an atom is sent if it is there."""
    if scale == 0:
        return (magnitudes > 0).astype(np.float64)
    return np.minimum(1.0, magnitudes / scale)


def _checked(magnitudes: np.ndarray) -> np.ndarray:
    magnitudes = np.abs(np.asarray(magnitudes, np.float64))
    if magnitudes.ndim != 1 or not len(magnitudes) or not np.isfinite(magnitudes).all():
        raise ValueError(
            f"magnitudes must be one or more finite numbers, got shape {magnitudes.shape}"
        )
    return magnitudes
