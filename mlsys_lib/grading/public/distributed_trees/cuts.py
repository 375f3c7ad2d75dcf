"""Which cut of a histogram gains most, in fractions: no rounding decides a tie."""

from fractions import Fraction

import numpy as np


def cut_of(histogram: np.ndarray) -> int | None:
    """Return the lowest cut of those that gain most; None if none gains.

    Parameters
    ----------
    histogram : ndarray of shape (num_bins, 3)
        Rows, Σy and Σy² of each bin, whole numbers.
    """
    gains = gains_of(histogram)
    best = max(gains, default=Fraction(0))
    return gains.index(best) if best > 0 else None


def gains_of(histogram: np.ndarray) -> list[Fraction]:
    """Return what each of the num_bins - 1 cuts gains; -1 where a side has no row."""
    bins = [[Fraction(int(number)) for number in row] for row in histogram]
    gains = []
    for cut in range(len(bins) - 1):
        left, right = _total(bins[: cut + 1]), _total(bins[cut + 1 :])
        gain = _deviation(_total(bins)) - _deviation(left) - _deviation(right)
        gains.append(gain if left[0] and right[0] else Fraction(-1))
    return gains


def telling_histogram(rng: np.random.Generator, num_bins: int) -> np.ndarray:
    """Draw a histogram, some bins empty, whose best cut every right formula finds.

    The best cut gains clearly more than the next one, unless only empty bins lie between the two:
    then both part the same rows, and the lower one counts.
    """
    while True:
        bins = [rng.integers(-9, 10, int(n)) for n in rng.integers(0, 6, num_bins)]
        for b in rng.permutation(num_bins)[: num_bins // 3]:
            bins[b] = bins[b][:0]
        histogram = np.array([[len(y), y.sum(), (y * y).sum()] for y in bins], np.float64)
        if _is_telling(histogram):
            return histogram


def _is_telling(histogram: np.ndarray) -> bool:
    gains = gains_of(histogram)
    best = max(gains)
    parent = _deviation([Fraction(int(number)) for number in histogram.sum(axis=0)])
    next_best = max([gain for gain in gains if gain < best], default=Fraction(0))
    first, last = gains.index(best), len(gains) - 1 - gains[::-1].index(best)
    rows_between = histogram[first + 1 : last + 1, 0].sum()
    return rows_between == 0 and best - max(next_best, Fraction(0)) > parent / 1000


def _total(bins: list[list[Fraction]]) -> list[Fraction]:
    return [sum(column, Fraction(0)) for column in zip(*bins, strict=True)]


def _deviation(stats: list[Fraction]) -> Fraction:
    """Return the summed squared deviation from the mean: Σy² - (Σy)² / n."""
    rows, total, squares = stats
    return squares - total * total / rows if rows else Fraction(0)
