"""What ranks agree on before the first tree: that their shards match, where bins end, the grid.

No rank has all rows, so each of these takes a few messages. They are small: none grows with n.
"""

from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np

from mlsys_lib.collectives import ring_all_gather, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer
from mlsys_lib.distributed_trees.bins import MAX_BINS, Bins, edges_of
from mlsys_lib.distributed_trees.exact_sums import on_grid, steps
from mlsys_lib.distributed_trees.sketch import QuantileSketch

_FAULTS = (
    "",
    "X must be finite or NaN, got an infinite value",
    "y must be finite, got NaN or infinity",
    "weight must be finite and >= 0, got another value",
    "y and weight must have a value for each row of X, got other lengths",
)


def check_row_shards(comm: Communicator, X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
    """Raise on every rank the same error, which names the ranks, if shards of rows do not match.

    A rank that raised alone would leave the others waiting.

    Parameters
    ----------
    comm : Communicator
    X : ndarray of shape (n_r, d)
        This rank's rows; NaN is missing.
    y, weight : ndarrays of length n_r
        Targets, and what each row weighs.

    Raises
    ------
    ValueError
        If ranks differ in columns or dtype, nobody has a row or a column, or some rank has an
        infinite value, a target that is no number, or a negative weight.

    Notes
    -----
    An all-gather of 5 numbers, before any other message.
    """
    facts = [*_shape(X), X.dtype.num, _fault(X, y, weight), 0]
    every = ring_all_gather(comm, np.array(facts, np.int64))
    _refuse_faults(every)
    _refuse_differences("columns", every[:, 1])
    _refuse_differences("dtype", every[:, 2], _dtype_name)
    _refuse_nothing(int(every[:, 0].sum()), int(every[0, 1]))


def check_column_shards(
    comm: Communicator, X: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> None:
    """Raise on every rank the same error, which names the ranks, if shards of columns do not match.

    Parameters
    ----------
    X : ndarray of shape (n, d_r)
        This rank's columns of all rows.
    y, weight : ndarrays of length n
        The same on every rank.

    Raises
    ------
    ValueError
        As in `check_row_shards`, and if ranks differ in rows, targets or weights.
    """
    same = crc32(np.ascontiguousarray(y).tobytes(), crc32(np.ascontiguousarray(weight).tobytes()))
    facts = [*_shape(X), X.dtype.num, _fault(X, y, weight), same]
    every = ring_all_gather(comm, np.array(facts, np.int64))
    _refuse_faults(every)
    _refuse_differences("rows", every[:, 0])
    _refuse_differences("dtype", every[:, 2], _dtype_name)
    _refuse_differences("targets and weights", every[:, 4], "checksum {}".format)
    _refuse_nothing(int(every[0, 0]), int(every[:, 1].sum()))


def _shape(X: np.ndarray) -> tuple[int, int]:
    if X.ndim != 2:
        raise ValueError(f"X must have two dimensions, got shape {X.shape}")
    return X.shape[0], X.shape[1]


def _fault(X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> int:
    """Return the index into `_FAULTS` of what is wrong with this shard, 0 if nothing is."""
    if not len(X) == len(y) == len(weight):
        return 4
    found = (
        bool(np.isinf(X).any()),
        not np.isfinite(y).all(),
        not (np.isfinite(weight) & (weight >= 0)).all(),
    )
    return found.index(True) + 1 if any(found) else 0


def _refuse_faults(every: np.ndarray) -> None:
    for fault, message in enumerate(_FAULTS):
        ranks = np.flatnonzero(every[:, 3] == fault).tolist()
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
    for name, number in (("row", num_rows), ("column", num_columns)):
        if number == 0:
            raise ValueError(f"some rank must have a {name}, got none on any")


def _names(ranks: list[int]) -> str:
    """Return "rank 2", or "ranks 0, 1"."""
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"


def common_grid(comm: Communicator, stats: np.ndarray) -> np.ndarray:
    """Round this rank's statistics so that sums over all ranks' rows are exact.

    Parameters
    ----------
    stats : ndarray of shape (n_r, c)

    Raises
    ------
    ValueError
        If a statistic is NaN or infinite; before any message.

    Notes
    -----
    Two all-reduces, of c numbers and of one.
    """
    largest = np.abs(stats).max(axis=0, initial=0.0)
    steps(largest, 1)
    num_rows = ring_all_reduce(comm, np.array([float(len(stats))]))
    step = steps(ring_all_reduce(comm, largest, op="max"), int(num_rows[0]))
    return on_grid(stats, step)


def common_bins(
    comm: Communicator,
    X: np.ndarray,
    num_bins: int,
    *,
    categorical: Sequence[int] = (),
    capacity: int | None = None,
) -> Bins:
    """Cut each column into bins of about equal weight, though no rank has a whole column.

    Parameters
    ----------
    X : ndarray of shape (n_r, d)
        This rank's rows; NaN is missing.
    num_bins : int
        At most; fewer where a column has fewer distinct values.
    categorical : sequence of int
        Columns whose values are names and have no order.
    capacity : int, optional
        Values that a rank tells of a column without loss, and what its `QuantileSketch` holds on a
        level if there are more; 8 times `num_bins` by default. All categories are told.

    Returns
    -------
    Bins
        On every rank the same. Of a column with at most `capacity` distinct values on every rank
        they are those of `exact_bins`. Of others they depend, within the sketches' `rank_error`, on
        how rows are dealt out.

    Notes
    -----
    Two all-gathers: of how many values each rank tells of each column, and of the values with their
    weights, padded to the rank with most.
    """
    integer("num_bins", num_bins, 2, MAX_BINS)
    capacity = capacity or 8 * num_bins
    is_categorical = np.isin(np.arange(X.shape[1]), categorical)
    own = [
        _summary(x, len(x) if names else capacity)
        for x, names in zip(X.T, is_categorical, strict=True)
    ]
    sizes = ring_all_gather(comm, np.array([len(told) for told in own], np.int64))
    padded = np.zeros((int(sizes.sum(axis=1).max()), 2))
    padded[: int(sizes[comm.rank].sum())] = np.concatenate(own)
    every = ring_all_gather(comm, padded)
    ends = np.cumsum(sizes, axis=1)
    edges = []
    for f, names in enumerate(is_categorical):
        told = [every[r, ends[r, f] - sizes[r, f] : ends[r, f]] for r in range(comm.world_size)]
        value, weight = np.concatenate(told).T
        distinct, which = np.unique(value, return_inverse=True)
        total = np.bincount(which, weight, len(distinct))
        edges.append(distinct if names else edges_of(distinct, total, num_bins))
    return Bins(tuple(edges), is_categorical)


def _summary(x: np.ndarray, capacity: int) -> np.ndarray:
    """Return rows of a value and how many it stands for: exact if there are few values."""
    distinct, counts = np.unique(x[~np.isnan(x)], return_counts=True)
    if len(distinct) > capacity:
        distinct, counts = QuantileSketch(capacity).add(x).weighted_values()
    return np.column_stack([distinct, counts])
