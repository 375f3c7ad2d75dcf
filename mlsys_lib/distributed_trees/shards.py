"""Do the shards of all ranks belong together? Asked before the first tree.

A rank that refused alone would leave the others waiting. So each first tells the facts of its
shard, and then all raise the same error, or none does.
"""

from collections.abc import Callable
from zlib import crc32

import numpy as np

from mlsys_lib.collectives import ring_all_gather, ring_all_reduce
from mlsys_lib.comm import Communicator

_FAULTS = (
    "",
    "X must be a table of numbers, got another shape or dtype",
    "y and weight must have a value for each row of X, got other lengths",
    "X must be finite or NaN, got an infinite value",
    "weight must be finite and >= 0, got another value",
    "y must be finite, and its squares too, got NaN, infinity or a number too large",
    "row_ids and features must be whole numbers >= 0, one for each, got others",
)
ROWS, COLUMNS, DTYPE, FAULT, CHECKSUM, LARGEST = range(6)


def check_row_shards(
    comm: Communicator,
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    row_ids: np.ndarray,
    recipe: object,
) -> None:
    """Raise on every rank the same error, which names the ranks, if shards of rows do not match.

    A rank that raised alone would leave the others waiting.

    Parameters
    ----------
    comm : Communicator
    X : ndarray of shape (n_r, d)
        This rank's rows; NaN is missing.
    y, weight : ndarrays of length n_r
        Targets, and what each row weighs.
    row_ids : ndarray of shape (n_r,), int64
        Numbers of these rows among all, below n. That no two rows have the same is not checked.
    recipe : object
        What is going to be done; ranks are held to one text of it.

    Raises
    ------
    ValueError
        If ranks differ in columns, dtype or recipe, nobody has a row that weighs something or a
        column, or some rank has an infinite value, a target that is no number, a negative weight,
        or numbers of rows beyond n.

    Notes
    -----
    An all-gather of 6 numbers, before any other message.
    """
    every = _tell(comm, X, y, weight, row_ids, len(y), crc32(repr(recipe).encode()))
    _refuse_faults(every)
    _refuse_differences("columns", every[:, COLUMNS])
    _refuse_differences("dtype", every[:, DTYPE], _dtype_name)
    _refuse_differences("recipe", every[:, CHECKSUM], "checksum {}".format)
    num_rows = int(every[:, ROWS].sum())
    if every[:, LARGEST].max() >= num_rows > 0:
        ranks = np.flatnonzero(every[:, LARGEST] >= num_rows).tolist()
        raise ValueError(f"row_ids must be below {num_rows}, got more on {_names(ranks)}")
    weighs = ring_all_reduce(comm, np.array([np.count_nonzero(weight)]))
    _refuse_nothing(int(weighs[0]), int(every[0, COLUMNS]))


def check_column_shards(
    comm: Communicator,
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    features: np.ndarray,
    recipe: object,
) -> None:
    """Raise on every rank the same error, which names the ranks, if shards of columns do not match.

    Parameters
    ----------
    X : ndarray of shape (n, d_r)
        This rank's columns of all rows.
    y, weight : ndarrays of length n
        The same on every rank.
    features : ndarray of shape (d_r,), int64
        What these columns are called; no two ranks have the same.
    recipe : object
        As in `check_row_shards`.

    Raises
    ------
    ValueError
        As in `check_row_shards`, and if ranks differ in rows, targets or weights, or two columns
        have the same name.

    Notes
    -----
    All-gathers of 6 numbers, and of the names of columns.
    """
    same = crc32(np.ascontiguousarray(y).tobytes(), crc32(np.ascontiguousarray(weight).tobytes()))
    same = crc32(repr(recipe).encode(), same)
    every = _tell(comm, X, y, weight, features, X.shape[-1], same)
    _refuse_faults(every)
    _refuse_differences("rows", every[:, ROWS])
    _refuse_differences("dtype", every[:, DTYPE], _dtype_name)
    _refuse_differences("targets, weights and recipe", every[:, CHECKSUM], "checksum {}".format)
    _refuse_nothing(int(np.count_nonzero(weight)), int(every[:, COLUMNS].sum()))
    named = np.full(int(every[:, COLUMNS].max()), -1)
    named[: len(features)] = features
    names = ring_all_gather(comm, named)
    names, counts = np.unique(names[names >= 0], return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"features must differ, got {names[counts > 1].tolist()} more than once")


def _tell(
    comm: Communicator,
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    ids: np.ndarray,
    num_ids: int,
    checksum: int,
) -> np.ndarray:
    """Return the facts of all ranks' shards, shape (m, 6)."""
    fault = _fault(X, y, weight, ids, num_ids)
    shape = X.shape if X.ndim == 2 else (0, 0)
    largest = int(ids.max(initial=0)) if not fault else 0
    facts = [*shape, X.dtype.num, fault, checksum, largest]
    return ring_all_gather(comm, np.array(facts, np.int64))


def _fault(X: np.ndarray, y: np.ndarray, weight: np.ndarray, ids: np.ndarray, num_ids: int) -> int:
    """Return the index into `_FAULTS` of what is wrong with this shard, 0 if nothing is."""
    if X.ndim != 2 or X.dtype.kind not in "biuf":
        return 1
    if not len(X) == len(y) == len(weight):
        return 2
    with np.errstate(over="ignore", invalid="ignore"):
        squares = weight * np.square(y, dtype=np.float64)
    found = (
        bool(np.isinf(X).any()),
        not (np.isfinite(weight) & (weight >= 0)).all(),
        not np.isfinite(squares).all(),
        len(ids) != num_ids or ids.dtype.kind not in "iu" or bool((ids < 0).any()),
    )
    return found.index(True) + 3 if any(found) else 0


def _refuse_faults(every: np.ndarray) -> None:
    for fault, message in enumerate(_FAULTS):
        ranks = np.flatnonzero(every[:, FAULT] == fault).tolist()
        if fault and ranks:
            raise ValueError(f"{message} on {_names(ranks)}")


def _refuse_differences(what: str, values: np.ndarray, name: Callable[[int], str] = str) -> None:
    if (values != values[0]).any():
        found = [
            f"{name(int(value))} on {_names(np.flatnonzero(values == value).tolist())}"
            for value in np.unique(values)
        ]
        raise ValueError(f"shards must have the same {what}, got {', '.join(found)}")


def _dtype_name(num: int) -> str:
    """Return "float64" of its number in NumPy."""
    return next(np.dtype(code).name for code in np.typecodes["All"] if np.dtype(code).num == num)


def _refuse_nothing(num_rows: int, num_columns: int) -> None:
    for name, number in (("column", num_columns), ("row that weighs something", num_rows)):
        if number == 0:
            raise ValueError(f"some rank must have a {name}, got none on any")


def _names(ranks: list[int]) -> str:
    """Return "rank 2", or "ranks 0, 1"."""
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"
