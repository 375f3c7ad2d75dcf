"""Bins: a column as a few small whole numbers, and back.

A numeric column is cut at `edges`: code b means edges[b - 1] < x <= edges[b]. A categorical column
has a code for each category. One more code, the last, stands for missing values; a category that
was not there before counts as missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer

MAX_BINS = 2**16 - 2


@dataclass(frozen=True)
class Bins:
    """How each column is cut.

    Attributes
    ----------
    edges : tuple of ndarray
        For each feature rising upper edges, or its categories.
    categorical : ndarray of shape (d,), bool
        Which of the two.
    """

    edges: tuple[np.ndarray, ...]
    categorical: np.ndarray

    @property
    def num_slots(self) -> int:
        """Codes of a feature, h: those of the largest feature, and the one for missing values."""
        return int(self.num_bins.max(initial=1)) + 1

    @property
    def num_bins(self) -> np.ndarray:
        """Bins or categories of each column, the one for missing values not counted: shape (d,)."""
        return np.array(
            [len(e) + (not c) for e, c in zip(self.edges, self.categorical, strict=True)]
        )

    def mask_unseen(self, X: np.ndarray) -> np.ndarray:
        """Return X with NaN for each category that these bins do not know; X stays as it is."""
        if not self.categorical.any():
            return X
        X = np.array(X, np.float64)
        for f in np.flatnonzero(self.categorical):
            X[~np.isin(X[:, f], self.edges[f]), f] = np.nan
        return X

    def encode(self, X: np.ndarray) -> np.ndarray:
        """Return codes of shape (n, d), feature-major in memory; the last code is missing.

        Raises
        ------
        ValueError
            If X has another number of columns.
        """
        if X.ndim != 2 or X.shape[1] != len(self.edges):
            raise ValueError(f"X must have {len(self.edges)} columns, got shape {X.shape}")
        missing = self.num_slots - 1
        codes = np.empty(X.shape, np.uint8 if missing < 2**8 else np.uint16, order="F")
        for f, edges in enumerate(self.edges):
            column = X[:, f]
            code = np.searchsorted(edges, column)
            unknown = np.isnan(column)
            if self.categorical[f]:
                at = np.minimum(code, max(0, len(edges) - 1))
                unknown = unknown | (edges[at] != column if len(edges) else True)
            codes[:, f] = np.where(unknown, missing, code)
        return codes


def exact_bins(X: np.ndarray, num_bins: int, categorical: Sequence[int] = ()) -> Bins:
    """Cut each column at its own quantiles, from all rows.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        NaN is missing.
    num_bins : int
        At most this many for a numeric column; fewer where it has fewer distinct values, which then
        each get a bin of their own.
    categorical : sequence of int
        Columns whose values are names and have no order.

    Raises
    ------
    ValueError
        If a value is infinite, or a column has too many categories.
    """
    integer("num_bins", num_bins, 2, MAX_BINS)
    X = np.asarray(X, np.float64)
    require_no_infinity(X)
    is_categorical = np.isin(np.arange(X.shape[1]), categorical)
    edges = []
    for f in range(X.shape[1]):
        column = X[:, f][~np.isnan(X[:, f])]
        values, counts = np.unique(column, return_counts=True)
        edges.append(
            categories_of(f, values) if is_categorical[f] else edges_of(values, counts, num_bins)
        )
    return Bins(tuple(edges), is_categorical)


def require_no_infinity(X: np.ndarray) -> None:
    """Raise if a value is infinite: no cut lies between it and another."""
    if np.isinf(X).any():
        raise ValueError("X must be finite or NaN, got an infinite value")


def categories_of(feature: int, values: np.ndarray) -> np.ndarray:
    """Return the categories of a column, or raise if codes cannot tell so many apart."""
    if len(values) > MAX_BINS:
        raise ValueError(
            f"a categorical column must have at most {MAX_BINS} categories, "
            f"got {len(values)} in column {feature}"
        )
    return values


def between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the middle of two values, or the lower one where nothing lies between them.

    So low <= middle < high, and a cut at it tells the two apart.

    >>> float(between(np.array(1.0), np.nextafter(1.0, 2)))
    1.0
    """
    middle = np.maximum(low, low / 2 + high / 2)  # halves first: a sum could overflow
    return np.asarray(np.where(middle < high, middle, low))


def edges_of(values: np.ndarray, weights: np.ndarray, num_bins: int) -> np.ndarray:
    """Return at most num_bins - 1 edges that cut rising, distinct values into about equal weights.

    An edge lies between two values, see `between`.
    """
    if len(values) <= 1:
        return np.empty(0)
    middles = between(values[:-1], values[1:])
    if len(values) <= num_bins:
        return np.asarray(middles)
    below = np.cumsum(weights)[:-1]  # weight up to each middle
    wanted = np.arange(1, num_bins) / num_bins * weights.sum()
    chosen = np.minimum(np.searchsorted(below, wanted), len(middles) - 1)
    return np.asarray(middles[np.unique(chosen)])
