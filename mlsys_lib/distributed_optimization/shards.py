"""A worker's share of the examples, and what all shares together make.

A rank that refused its shard alone would leave the others waiting. So each first tells the facts of
its own, and then all raise the same error, or none does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from mlsys_lib.collectives import ring_all_gather
from mlsys_lib.comm import Communicator, PerRank
from mlsys_lib.core.validate import non_negative, positive_int
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.rows import CSR, SparseRows, Table, as_table, is_sparse

FACTS = 5
"""Numbers that each rank tells of its shard."""
ROWS, COLUMNS, FAULT, LABEL, SETTINGS = range(FACTS)
_FAULTS = (
    "",
    "X must be a table of shape (n, d)",
    "X must be finite, and its squares too",
    "y must hold one finite target for each row of X",
    "y must hold targets that the loss knows (labels +1 and -1 for a classifier)",
)


@dataclass(frozen=True)
class Shard:
    """One rank's examples; it may have none.

    Attributes
    ----------
    X : Table of shape (n_i, d)
    y : ndarray of shape (n_i,), float64
    sizes : tuple of int
        n_i of every rank, in rank order.
    seconds_per_entry : float
        What it costs to read an entry of X and use it, on the simulated clock.
    """

    X: Table
    y: np.ndarray
    sizes: tuple[int, ...]
    seconds_per_entry: float = 0.0

    @property
    def num_examples(self) -> int:
        """Return n, the examples of all ranks."""
        return sum(self.sizes)

    @property
    def num_features(self) -> int:
        """Return d."""
        return int(self.X.shape[1])

    def first_row(self, rank: int) -> int:
        """Return the number, among the examples of all ranks, of that rank's first."""
        return sum(self.sizes[:rank])

    def compute_s(self, num_entries: float) -> float:
        """Return the simulated seconds in which this many entries are read and used."""
        return num_entries * self.seconds_per_entry


def deal(X: Table, y: np.ndarray, world_size: int) -> tuple[PerRank, PerRank]:
    """Return each rank's rows and targets: consecutive, as even as can be.

    >>> tables, targets = deal(np.eye(3), np.array([5.0, 6.0, 7.0]), 2)
    >>> [y.tolist() for y in targets.values]
    [[5.0, 6.0], [7.0]]
    """
    if len(y) != X.shape[0]:
        raise ValueError(f"y must hold one target for each of {X.shape[0]} rows, got {len(y)}")
    y = np.asarray(y)
    parts = np.array_split(np.arange(len(y)), positive_int("world_size", world_size))
    return PerRank([X[part] for part in parts]), PerRank([y[part] for part in parts])


def num_entries(X: Table) -> int:
    """Return how many entries of X are stored: all of a dense table, few of a sparse one."""
    return len(X.data) if isinstance(X, SparseRows) else X.size


def join(
    comm: Communicator,
    X: "Table | CSR",
    y: np.ndarray,
    loss: Loss,
    settings: object = None,
    seconds_per_entry: float = 0.0,
) -> Shard:
    """Return this rank's shard, or raise on every rank an error that names the ranks at fault.

    Parameters
    ----------
    X : array-like of shape (n_i, d), dense or sparse
        This rank's examples, maybe none.
    y : array-like of shape (n_i,)
    loss : Loss
        It knows which targets it can take.
    settings : object, optional
        What is going to be done; ranks are held to one text of it.

    Raises
    ------
    ValueError
        If ranks differ in the number of features or in settings, nobody has an example, or some
        rank has numbers that are not finite, lengths that differ or labels other than +1 and -1.

    Notes
    -----
    An all-gather of 5 numbers, before any other message: 40 (m - 1) bytes sent by each rank.
    """
    non_negative("seconds_per_entry", seconds_per_entry)
    table, targets, fault = read_shard(X, y, loss)
    shape = table.shape if table is not None else (0, 0)
    facts = [*shape, fault, checksum(type(loss).__name__), checksum(settings)]
    every = tell(comm, facts)
    refuse_faults(every[:, FAULT])
    refuse_differences("number of features", every[:, COLUMNS], str)
    refuse_differences("loss", every[:, LABEL])
    refuse_differences("settings", every[:, SETTINGS])
    if every[:, ROWS].sum() == 0:
        raise ValueError("some rank must have an example, got none on any")
    assert table is not None
    return Shard(table, targets, tuple(every[:, ROWS].tolist()), seconds_per_entry)


def tell(comm: Communicator, facts: list[int]) -> np.ndarray:
    """Return the facts of all ranks, a row for each."""
    return ring_all_gather(comm, np.array([facts], np.int64)).reshape(comm.world_size, -1)


def checksum(what: object) -> int:
    """Return a number that differs for things that are written differently."""
    return crc32(repr(what).encode())


def read_shard(X: "Table | CSR", y: np.ndarray, loss: Loss) -> tuple[Table | None, np.ndarray, int]:
    """Return table, targets and the index into `_FAULTS` of what is wrong with them."""
    try:
        targets = np.asarray(y, dtype=float)
    except (TypeError, ValueError):
        return None, np.zeros(0), 3
    try:
        if not is_sparse(X) and np.asarray(X).ndim != 2:
            return None, targets, 1
    except ValueError:  # rows of different lengths
        return None, targets, 1
    try:
        table = as_table(X)
    except ValueError:
        return None, targets, 2
    if targets.shape != (table.shape[0],) or not np.isfinite(targets).all():
        return table, targets, 3
    try:
        loss.check_targets(targets)
    except ValueError:
        return table, targets, 4
    return table, targets, 0


def refuse_faults(faults: np.ndarray) -> None:
    """Raise ValueError, naming the ranks, if any rank told a fault."""
    for fault, message in enumerate(_FAULTS):
        ranks = np.flatnonzero(faults == fault)
        if fault and len(ranks):
            raise ValueError(f"{message}, which is not so on {names_of(ranks)}")


def refuse_differences(
    what: str, values: np.ndarray, name: Callable[[int], str] = "checksum {}".format
) -> None:
    """Raise ValueError, naming the ranks, if they differ in a value."""
    if (values != values[0]).any():
        said = [
            f"{name(int(value))} on {names_of(np.flatnonzero(values == value))}"
            for value in np.unique(values)
        ]
        raise ValueError(f"shards must have the same {what}, got {', '.join(said)}")


def names_of(ranks: np.ndarray) -> str:
    """Return "rank 2", or "ranks 0, 1"."""
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks.tolist()))}"
