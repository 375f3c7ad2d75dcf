"""Sums that do not depend on their order, so that shards can be added in any.

Floating addition rounds, and rounds otherwise in another order. Two gains that are equal on one
machine then differ in the last bit on four, and the trees part. Here each statistic is first
rounded to a multiple of a power of two, its *step*, chosen so that no sum of all rows needs more
than 53 bits. Such sums are exact: associative, and the same however rows are dealt out. What it
costs is the rounding of each row's statistic, at most 2^-53 of n times the largest one.
"""

import numpy as np

_BITS = 53  # of a double's significand
_LEAST = -1074  # 2**-1074 is the smallest double above 0


def steps(largest: np.ndarray, num_rows: int) -> np.ndarray:
    """Return the step of each statistic.

    Parameters
    ----------
    largest : ndarray of shape (c,)
        The largest absolute value of each statistic over all rows of all shards.
    num_rows : int
        Rows of all shards.

    Returns
    -------
    ndarray of shape (c,)
        Powers of two.

    Raises
    ------
    ValueError
        If a sum is NaN or infinite: a target or a weight was, or is too large.
    """
    with np.errstate(over="ignore"):
        sums = largest * max(1, num_rows)
    if not np.isfinite(sums).all():
        raise ValueError(f"sums of stats must be finite, got {sums.tolist()} as their bound")
    _, exponent = np.frexp(sums)  # below 2**exponent
    return np.asarray(np.ldexp(1.0, np.maximum(exponent - _BITS, _LEAST)))


def on_grid(stats: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return each row's statistics as the nearest multiples of their steps.

    >>> rounded = on_grid(np.array([[0.1], [0.2], [0.3]]), steps(np.array([0.3]), 3))
    >>> float(rounded[:2].sum() + rounded[2, 0]) == float(rounded[0, 0] + rounded[1:].sum())
    True
    """
    return np.asarray(np.rint(stats / step) * step)
