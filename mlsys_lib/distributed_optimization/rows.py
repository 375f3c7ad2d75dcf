"""Examples as rows of a table most of whose entries are zero (compressed sparse rows, CSR).

Only what the algorithms of this topic need: products with the table and with its transpose, and
choosing rows. The three arrays are those of SciPy's `csr_array`, so either reads the other's.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol, TypeGuard

import numpy as np


class SparseRows:
    """A matrix in compressed sparse rows; it never changes.

    Parameters
    ----------
    data : ndarray of shape (num_stored,), float64
        The entries, row by row.
    indices : ndarray of shape (num_stored,), integer
        The column of each, below `num_columns`.
    indptr : ndarray of shape (n + 1,), integer
        Row j holds the entries indptr[j] … indptr[j + 1] - 1. Entries of one place add up.
    num_columns : int

    Examples
    --------
    >>> X = SparseRows([2.0, 1.0, 3.0], [0, 2, 1], [0, 2, 2, 3], num_columns=3)
    >>> X.toarray().tolist()
    [[2.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]
    >>> (X @ np.ones(3)).tolist(), (X.T @ np.ones(3)).tolist()
    ([3.0, 0.0, 3.0], [2.0, 3.0, 1.0])
    """

    __array_ufunc__ = None  # so that an array on the left does not take us for a scalar

    def __init__(
        self, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, num_columns: int
    ) -> None:
        data, indices = np.asarray(data, dtype=float), np.asarray(indices, dtype=np.intp)
        indptr = np.asarray(indptr, dtype=np.intp)
        stored = len(data)
        if indptr[:1].tolist() != [0] or (np.diff(indptr) < 0).any() or indptr[-1] != stored:
            raise ValueError(f"indptr must rise from 0 to {stored} stored entries")
        if len(indices) != stored or not _inside(indices, num_columns):
            raise ValueError(f"indices must name one of {num_columns} columns for each entry")
        self._set(*_without_repeats(data, indices, indptr, num_columns), num_columns)

    def _set(
        self, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, num_columns: int
    ) -> None:
        self.data, self.indices, self.indptr = data, indices, indptr
        self.shape = (len(indptr) - 1, int(num_columns))
        lengths = np.diff(indptr)
        self.row_of = np.repeat(np.arange(self.shape[0]), lengths)
        self._filled = np.flatnonzero(lengths)  # reduceat cannot add up an empty row

    @classmethod
    def _known(
        cls, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, num_columns: int
    ) -> "SparseRows":
        """Return rows from arrays that need no check."""
        rows = cls.__new__(cls)
        rows._set(data, indices, indptr, num_columns)
        return rows

    @classmethod
    def of(cls, matrix: "CSR") -> "SparseRows":
        """Return the rows of a SciPy matrix of any format, or of anything like a CSR one."""
        if hasattr(matrix, "tocsr"):
            matrix = matrix.tocsr()
        return cls(matrix.data, matrix.indices, matrix.indptr, matrix.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __matmul__(self, vector: np.ndarray) -> np.ndarray:
        """Return X v, of shape (n,)."""
        _check_length(vector, self.shape[1])
        product = np.zeros(self.shape[0])
        if len(self._filled):
            terms = self.data * vector[self.indices]
            product[self._filled] = np.add.reduceat(terms, self.indptr[self._filled])
        return product

    @property
    def T(self) -> "_Transposed":
        """The transpose, for products from the left."""
        return _Transposed(self)

    def __getitem__(self, rows: np.ndarray | slice) -> "SparseRows":
        """Return the chosen rows, in that order; a row may be chosen twice."""
        if isinstance(rows, slice) and rows == slice(None):
            return self
        chosen = np.arange(self.shape[0])[rows]
        lengths = np.diff(self.indptr)[chosen]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        entries = np.arange(indptr[-1]) + np.repeat(self.indptr[chosen] - indptr[:-1], lengths)
        return SparseRows._known(self.data[entries], self.indices[entries], indptr, self.shape[1])

    def toarray(self) -> np.ndarray:
        """Return the matrix with its zeros."""
        dense = np.zeros(self.shape)
        dense[self.row_of, self.indices] = self.data
        return dense


class _Transposed:
    def __init__(self, rows: SparseRows) -> None:
        self._rows = rows
        self.shape = rows.shape[::-1]

    def __matmul__(self, vector: np.ndarray) -> np.ndarray:
        rows = self._rows
        _check_length(vector, rows.shape[0])
        terms = rows.data * vector[rows.row_of]
        product = np.bincount(rows.indices, weights=terms, minlength=rows.shape[1])
        return product.astype(float, copy=False)  # of nothing, bincount makes integers


class CSR(Protocol):
    """What `SparseRows.of` reads."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, int]


Table = np.ndarray | SparseRows
"""Examples as rows: of shape (n, d), float64, dense or sparse."""


def as_table(X: "Table | CSR", name: str = "X") -> Table:
    """Return X as float64 rows, dense or sparse.

    Raises
    ------
    ValueError
        If X is not of shape (n, d), or holds what is not finite: the message names the first row.
    """
    table: Table
    if isinstance(X, SparseRows):
        table = X
    elif is_sparse(X):
        table = SparseRows.of(X)
    else:
        table = np.asarray(X, dtype=float)
        if table.ndim != 2:
            raise ValueError(f"{name} must be of shape (n, d), got {table.shape}")
    norms = squared_norms(table)
    if not np.isfinite(norms).all():
        row = int(np.flatnonzero(~np.isfinite(norms))[0])
        raise ValueError(f"{name} must be finite, and so its squares; row {row} is not")
    return table


def is_sparse(X: object) -> TypeGuard[CSR]:
    """Return whether X holds its rows in CSR form, or can be asked for that."""
    return hasattr(X, "indptr") or hasattr(X, "tocsr")


def squared_norms(X: Table) -> np.ndarray:
    """Return the squared length of each row, of shape (n,)."""
    with np.errstate(over="ignore"):
        if isinstance(X, SparseRows):
            squares = np.bincount(X.row_of, weights=X.data**2, minlength=X.shape[0])
            return squares.astype(float, copy=False)
        return np.asarray(np.einsum("ij,ij->i", X, X))


def with_unit_rows(X: Table) -> Table:
    """Return X with each row divided by its length; empty rows stay."""
    lengths = np.sqrt(squared_norms(X))
    lengths[lengths == 0] = 1.0
    if isinstance(X, SparseRows):
        data = X.data / lengths[X.row_of]
        return SparseRows._known(data, X.indices, X.indptr, X.shape[1])
    return np.asarray(X / lengths[:, None])


def row_products(X: Table) -> np.ndarray:
    """Return X Xᵀ, of shape (n, n); for few rows, since a sparse table is written out for it."""
    if isinstance(X, SparseRows):
        used, columns = np.unique(X.indices, return_inverse=True)
        X = SparseRows(X.data, columns, X.indptr, len(used)).toarray()
    return X @ X.T


def column_sets(X: Table) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for each column the rows in which it is not zero, and its values there."""
    if isinstance(X, SparseRows):
        order = np.argsort(X.indices, kind="stable")
        starts = np.searchsorted(X.indices[order], np.arange(X.shape[1] + 1))
        for first, last in pairwise(starts):
            entries = order[first:last]
            yield X.row_of[entries], X.data[entries]
        return
    for column in X.T:
        rows = np.flatnonzero(column)
        yield rows, column[rows]


def _without_repeats(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, num_columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three arrays with one entry for each place."""
    row_of = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    places, first = np.unique(row_of * num_columns + indices, return_inverse=True)
    if len(places) == len(data):
        return data, indices, indptr
    summed = np.bincount(first, weights=data)
    starts = np.searchsorted(places, np.arange(len(indptr)) * num_columns)
    return summed, places % num_columns, starts


def _inside(indices: np.ndarray, num_columns: int) -> bool:
    return not len(indices) or bool(indices.min() >= 0 and indices.max() < num_columns)


def _check_length(vector: np.ndarray, expected: int) -> None:
    if np.shape(vector) != (expected,):
        raise ValueError(f"vector must be of shape ({expected},), got {np.shape(vector)}")
