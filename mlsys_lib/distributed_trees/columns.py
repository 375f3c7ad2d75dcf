"""Columns of all rows, sorted or compressed, and the best cuts of them.

A column of many values is kept as the order of its rows by value. From level to level that order is
parted by node, and stays sorted within each, so no level sorts again (Mehta, Agrawal & Rissanen,
"SLIQ", EDBT 1996, doi:10.1007/BFb0014141). A column of at most 256 values, a missing one counted,
is *compressed*: a byte for each row that says which value, and no order at all.

Either way a level needs only *runs*: rows of one node that have the same value. All cuts between
runs are scored at once, from one running sum; sums on a grid are exact, so what lies before a node
can be taken off it. Yggdrasil compresses sorted columns into runs too, by run-length encoding.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsys_lib.distributed_trees.bins import between, require_no_infinity
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.splits import better, gains

MOST_CODES = 256
"""Values of a compressed column, with one for what is missing, if anything is."""


@dataclass(frozen=True)
class Cuts:
    """The best cut of each node of a level, of one column or of many.

    Attributes
    ----------
    gain : ndarray of shape (nodes,)
        -inf where there is none.
    feature : ndarray of shape (nodes,)
    threshold : ndarray of shape (nodes,)
        Numbers up to this go left.
    missing_left : ndarray of shape (nodes,), bool
    left : ndarray of shape (nodes, c)
        Statistics of the rows that go left.
    """

    gain: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray


@dataclass(frozen=True)
class Runs:
    """Rows of one node with one value, in order of node and then of value.

    Attributes
    ----------
    node : ndarray of shape (runs,), int64
    value : ndarray of shape (runs,)
    up_to : ndarray of shape (runs, c)
        Statistics of the node's rows up to and with this run.
    any_missing : bool
        Whether some row of some node has no value.
    """

    node: np.ndarray
    value: np.ndarray
    up_to: np.ndarray
    any_missing: bool


class Column(Protocol):
    """One column of all rows."""

    def runs(self, slot: np.ndarray, stats: np.ndarray, num_nodes: int) -> Runs:
        """Return the runs of each node; `slot` is the node of each row, -1 for none."""

    def goes_left(self, threshold: float, missing_left: bool) -> np.ndarray:
        """Return for each row whether it goes left: shape (n,), bool."""

    @property
    def num_bytes(self) -> int:
        """What it takes in memory."""


class SortedColumn:
    """The order of the rows by value, parted by node.

    Parameters
    ----------
    x : ndarray of shape (n,), float64
        NaN is missing.
    """

    def __init__(self, x: np.ndarray) -> None:
        self._x = x
        rows = np.argsort(x, kind="stable")[: len(x) - int(np.isnan(x).sum())]
        self._sorted = rows.astype(np.int32 if len(x) < 2**31 else np.int64)
        self._order = self._sorted  # as the last level has parted it

    @property
    def num_bytes(self) -> int:
        """Values, and the order: of all rows, and parted by node."""
        return self._x.nbytes + 2 * self._sorted.nbytes

    def runs(self, slot: np.ndarray, stats: np.ndarray, num_nodes: int) -> Runs:
        """Part the order by node, and find where a value ends."""
        rows = self._order if num_nodes > 1 else self._sorted  # a root: another tree begins
        rows = rows[slot[rows] >= 0]  # those in a leaf are not looked at again
        narrow = slot[rows].astype(np.uint16 if num_nodes < 2**16 else np.int64)
        rows = self._order = rows[np.argsort(narrow, kind="stable")]
        value, node = self._x[rows], slot[rows]
        ends = np.flatnonzero(_differs(value) | _differs(node))
        sums = np.cumsum(stats[rows], axis=0)
        any_missing = len(rows) < int(np.count_nonzero(slot >= 0))
        return _runs(node[ends], value[ends], sums[ends], any_missing)

    def goes_left(self, threshold: float, missing_left: bool) -> np.ndarray:
        """Compare all values."""
        return np.where(np.isnan(self._x), missing_left, self._x <= threshold)


class CompressedColumn:
    """A byte for each row: which of the column's values it has; the last code is missing.

    Parameters
    ----------
    values : ndarray of shape (u,)
        The distinct values, rising; with one for NaN, if there is any, at most `MOST_CODES`.
    x : ndarray of shape (n,), float64
    """

    def __init__(self, values: np.ndarray, x: np.ndarray) -> None:
        self._values = values
        self._code = np.searchsorted(values, x).astype(np.uint8)  # NaN comes after all others

    @property
    def num_bytes(self) -> int:
        """Codes, and what they mean."""
        return self._code.nbytes + self._values.nbytes

    def runs(self, slot: np.ndarray, stats: np.ndarray, num_nodes: int) -> Runs:
        """Add up rows by node and code."""
        num_codes = len(self._values) + 1
        live = np.flatnonzero(slot >= 0)
        stats = stats[live]
        cell = slot[live] * num_codes + self._code[live].astype(np.int64)
        if num_nodes * num_codes > 2 * len(cell):  # most cells are empty: leave them out
            cells, cell = np.unique(cell, return_inverse=True)
        else:
            cells = np.arange(num_nodes * num_codes)
        sums = np.stack([np.bincount(cell, s, len(cells)) for s in stats.T], axis=1)
        used = np.bincount(cell, minlength=len(cells)) > 0
        node, code = np.divmod(cells, num_codes)
        has_value = used & (code < len(self._values))
        any_missing = bool((used & ~has_value).any())
        node, value = node[has_value], self._values[code[has_value]]
        return _runs(node, value, np.cumsum(sums[has_value], axis=0), any_missing)

    def goes_left(self, threshold: float, missing_left: bool) -> np.ndarray:
        """Compare the values once, and look up the codes."""
        answer = np.append(self._values <= threshold, missing_left)
        return answer[self._code]


class Columns:
    """Some columns of a table, each in the form that is smaller.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        NaN is missing.
    features : ndarray of shape (d,), int64
        What these columns are called in the whole table.
    """

    def __init__(self, X: np.ndarray, features: np.ndarray) -> None:
        require_no_infinity(X)
        self.num_rows = len(X)
        self._columns = {
            int(f): _column(np.ascontiguousarray(x, np.float64))
            for f, x in zip(features, X.T, strict=True)
        }

    @property
    def num_bytes(self) -> int:
        """What all columns take in memory."""
        return sum(column.num_bytes for column in self._columns.values())

    def best(
        self,
        stats: np.ndarray,
        slot: np.ndarray,
        whole: np.ndarray,
        criterion: Criterion,
        min_weight: float,
    ) -> Cuts:
        """Find the best cut of each node over these columns.

        Parameters
        ----------
        stats : ndarray of shape (n, c)
            Of each row, on a grid (`exact_sums`).
        slot : ndarray of shape (n,), int64
            The node of each row in this level, a child of one in the level before; -1 for rows in a
            leaf. A single node is a root.
        whole : ndarray of shape (nodes, c)
            Statistics of each node.
        """
        found = _no_cuts(whole)
        for feature, column in self._columns.items():
            runs = column.runs(slot, stats, len(whole))
            found = better(found, _best_cuts(feature, runs, whole, criterion, min_weight))
        return found

    def goes_left(self, feature: int, threshold: float, missing_left: bool) -> np.ndarray:
        """Return for each row whether a cut of one of these columns sends it left: shape (n,)."""
        return self._columns[feature].goes_left(threshold, missing_left)


def _column(x: np.ndarray) -> Column:
    is_missing = np.isnan(x)
    values = np.unique(x[~is_missing])
    num_codes = len(values) + bool(is_missing.any())
    return CompressedColumn(values, x) if num_codes <= MOST_CODES else SortedColumn(x)


def _runs(node: np.ndarray, value: np.ndarray, sums: np.ndarray, any_missing: bool) -> Runs:
    """Take off the running sum what lies before each node."""
    first = np.flatnonzero(_differs(node))[:-1] + 1  # of every node but the first
    before = np.zeros_like(sums)
    before[first] = np.diff(sums[first - 1], axis=0, prepend=0)
    return Runs(node, value, sums - np.cumsum(before, axis=0), any_missing)


def _differs(x: np.ndarray) -> np.ndarray:
    """Return for each element whether the next one is another; true for the last."""
    return np.append(x[1:] != x[:-1], [True] * bool(len(x)))


def _best_cuts(
    feature: int, runs: Runs, whole: np.ndarray, criterion: Criterion, min_weight: float
) -> Cuts:
    """Score the cut after each run, and return the best of each node."""
    if not len(runs.node):
        return _no_cuts(whole)
    node, is_last = runs.node, _differs(runs.node)
    sides = runs.up_to[:, None]
    if runs.any_missing:  # what is missing goes left, or right
        present = np.zeros_like(whole)
        present[node[is_last]] = runs.up_to[is_last]
        sides = np.stack([runs.up_to + (whole - present)[node], runs.up_to], axis=1)
    gain = gains(sides, whole[node][:, None], criterion, min_weight)
    gain[is_last | (criterion.weight(runs.up_to) <= 0), 0] = -np.inf  # see `splits`
    num_sides = sides.shape[1]
    best, which = _first_of_the_largest(gain.ravel(), np.repeat(node, num_sides), len(whole))
    cut, right = which // num_sides, which % num_sides
    middle = between(runs.value, np.append(runs.value[1:], np.inf))
    threshold = np.where(is_last, np.inf, middle)[cut]
    name = np.where(np.isfinite(best), feature, np.iinfo(np.int64).max)
    return Cuts(best, name, threshold, right == 0, sides[cut, right])


def _no_cuts(whole: np.ndarray) -> Cuts:
    nodes = len(whole)
    nothing = np.full(nodes, -np.inf)
    feature = np.full(nodes, np.iinfo(np.int64).max)
    return Cuts(nothing, feature, np.zeros(nodes), np.ones(nodes, bool), np.zeros_like(whole))


def _first_of_the_largest(
    gain: np.ndarray, node: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return each node's largest gain and where it is first; -inf and 0 for a node without any."""
    best, which = np.full(nodes, -np.inf), np.zeros(nodes, np.int64)
    here, starts = np.unique(node, return_index=True)
    if here.size:
        best[here] = np.maximum.reduceat(gain, starts)
        hits = np.flatnonzero(gain == best[node])
        which[here] = hits[np.searchsorted(node[hits], here)]
    return best, which
