import numpy as np
import pytest
from scipy import sparse as scipy_sparse

from mlsys_lib.distributed_optimization.rows import (
    SparseRows,
    as_table,
    column_sets,
    row_products,
    squared_norms,
)
from tests.distributed_optimization.tables import sparse


def table(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Mostly zeros, with empty rows at both ends and in between."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.3)
    X[[0, n // 2, -1]] = 0
    return X


SHAPES = [(8, 5), (1, 4), (30, 2), (5, 0), (3, 40)]


@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_those_of_the_dense_table(shape: tuple[int, int]) -> None:
    X = table(*shape)
    S, rng = sparse(X), np.random.default_rng(1)
    v, u = rng.standard_normal(shape[1]), rng.standard_normal(shape[0])
    np.testing.assert_allclose(S @ v, X @ v, atol=1e-14)
    np.testing.assert_allclose(S.T @ u, X.T @ u, atol=1e-14)
    np.testing.assert_allclose(squared_norms(S), squared_norms(X), atol=1e-14)
    np.testing.assert_allclose(row_products(S), X @ X.T, atol=1e-14)
    assert np.array_equal(S.toarray(), X)
    for product in (S @ v, S.T @ u, S[:0].T @ u[:0], squared_norms(S), squared_norms(S[:0])):
        assert product.dtype == float  # of nothing too: ranks send it to each other
    assert S.shape == S.T.shape[::-1] == X.shape
    assert len(S) == len(X)


@pytest.mark.parametrize(
    "rows", [slice(2, 6), slice(0, 0), np.array([3, 3, 0, 7]), np.arange(8) > 4, np.array([], int)]
)
def test_choosing_rows_is_that_of_the_dense_table(rows: np.ndarray | slice) -> None:
    X = table(8, 5)
    chosen = sparse(X)[rows]
    assert np.array_equal(chosen.toarray(), X[rows])
    assert np.array_equal(chosen[::-1].toarray(), X[rows][::-1])


def test_scipy_reads_the_same_matrix_and_is_read() -> None:
    X = scipy_sparse.csr_array(table(8, 5))
    S = as_table(X)
    assert isinstance(S, SparseRows)
    assert np.array_equal(S.toarray(), X.toarray())
    again = scipy_sparse.csr_array((S.data, S.indices, S.indptr), shape=S.shape)
    assert np.array_equal(again.toarray(), X.toarray())


def test_entries_stored_twice_add_up_everywhere() -> None:
    S = SparseRows(np.array([1.0, 2.0]), np.array([1, 1]), np.array([0, 2]), 3)
    assert S.toarray().tolist() == [[0, 3, 0]]
    assert (S @ np.array([0.0, 1.0, 0.0])).tolist() == [3.0]
    assert row_products(S).tolist() == [[9.0]]


@pytest.mark.parametrize("as_rows", [np.asarray, sparse])
def test_columns_are_found_with_the_rows_they_fill(as_rows: object) -> None:
    X = table(8, 5)
    columns = list(column_sets(as_rows(X)))  # type: ignore[operator]
    assert len(columns) == 5
    for (rows, values), column in zip(columns, X.T, strict=True):
        assert rows.tolist() == np.flatnonzero(column).tolist()
        assert np.array_equal(values, column[rows])


@pytest.mark.parametrize(
    ("data", "indices", "indptr", "columns", "message"),
    [
        ([1.0], [0], [0, 2], 3, "indptr must rise from 0 to 1 stored entries"),
        ([1.0], [0], [1, 1], 3, "indptr must rise from 0"),
        ([1.0, 2.0], [0, 1], [0, 2, 1, 2], 3, "indptr must rise from 0"),
        ([1.0], [3], [0, 1], 3, "indices must name one of 3 columns for each entry"),
        ([1.0], [-1], [0, 1], 3, "indices must name one of 3 columns"),
        ([1.0], [0, 1], [0, 1], 3, "indices must name one of 3 columns"),
    ],
)
def test_arrays_that_are_no_matrix_are_refused(
    data: list[float], indices: list[int], indptr: list[int], columns: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SparseRows(np.array(data), np.array(indices), np.array(indptr), columns)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("as_rows", [np.asarray, sparse])
def test_entries_whose_squares_are_no_numbers_are_refused_by_row(
    bad: float, as_rows: object
) -> None:
    X = table(8, 5)
    X[5, 2] = bad
    with pytest.raises(ValueError, match="X must be finite, and so its squares; row 5 is not"):
        as_table(as_rows(X))  # type: ignore[operator]


def test_shapes_that_do_not_fit_are_refused() -> None:
    S = sparse(table(8, 5))
    with pytest.raises(ValueError, match=r"vector must be of shape \(5,\), got \(4,\)"):
        S @ np.ones(4)
    with pytest.raises(ValueError, match=r"vector must be of shape \(8,\), got \(5,\)"):
        S.T @ np.ones(5)
    with pytest.raises(ValueError, match=r"X must be of shape \(n, d\), got \(4,\)"):
        as_table(np.ones(4))


@pytest.mark.parametrize("kind", ["csc", "coo", "bsr", "lil"])
def test_scipys_other_formats_are_turned_into_rows(kind: str) -> None:
    """A square CSC matrix has the three arrays too, of its transpose."""
    X = np.array([[1.0, 0.0], [5.0, 3.0]])
    S = as_table(getattr(scipy_sparse, f"{kind}_array")(X))
    assert isinstance(S, SparseRows)
    assert np.array_equal(S.toarray(), X)


def test_repeated_entries_add_up_in_norms_and_columns_too() -> None:
    S = SparseRows(np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 2, 3]), 3)
    assert squared_norms(S).tolist() == [9, 0, 16]
    assert [(rows.tolist(), values.tolist()) for rows, values in column_sets(S)] == [
        ([2], [4]), ([0], [3]), ([], []),
    ]  # fmt: skip
    assert len(S[np.array([0, 0])].data) == 2


def test_whole_numbers_become_floats_and_the_first_bad_row_is_named() -> None:
    assert as_table(np.ones((2, 2), int)).dtype == float  # type: ignore[union-attr]
    assert SparseRows(np.array([1]), np.array([0]), np.array([0, 1]), 1).data.dtype == float
    X = np.ones((5, 1))
    X[[2, 4]] = np.nan
    with pytest.raises(ValueError, match="row 2 is not"):
        as_table(X)
