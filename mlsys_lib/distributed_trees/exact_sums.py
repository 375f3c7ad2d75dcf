"""Sums that do not depend on their order, so that shards can be added in any.

Floating addition rounds, and rounds otherwise in another order. Two gains that are equal on one
machine then differ in the last bit on four, and the trees part. Here each statistic is first
rounded to a multiple of a power of two, its *step*, chosen so that no sum of all rows needs more
than 53 bits. Such sums are exact: associative, and the same however rows are dealt out. What it
costs is the rounding of each row's statistic, at most 2^-53 of n times the largest one.
"""

import numpy as np

_BITS = 53  # of a double's significand


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
        If a statistic is NaN or infinite: a target or a weight was.
    """
    if not np.isfinite(largest).all():
        raise ValueError(f"stats must be finite, got {largest.tolist()} as their largest")
    _, exponent = np.frexp(largest * max(1, num_rows))  # below 2**exponent
    return np.asarray(np.ldexp(1.0, exponent - _BITS))


def on_grid(stats: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return each row's statistics as the nearest multiples of their steps.

    >>> rounded = on_grid(np.array([[0.1], [0.2], [0.3]]), steps(np.array([0.3]), 3))
    >>> float(rounded[:2].sum() + rounded[2, 0]) == float(rounded[0, 0] + rounded[1:].sum())
    True
    """
    return np.asarray(np.rint(stats / step) * step)
