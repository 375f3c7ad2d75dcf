"""The best split of each node, from histograms of sufficient statistics.

One rule decides ties, on every machine alike: the largest gain; among equal ones the lowest
feature; then the lowest cut; then missing values to the left. A split of what is missing from what
is not has two spellings; the one with missing values to the right counts.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from mlsys_lib.distributed_trees.criterion import Criterion

_NOISE = 1e-12  # of the parent's score: what rounding alone may seem to gain


@dataclass(frozen=True)
class Splits:
    """One split for each node of a level.

    Attributes
    ----------
    gain : ndarray of shape (nodes,)
        What the split gains; -inf where none is allowed, or none gains anything.
    feature : ndarray of shape (nodes,), int64
    goes_left : ndarray of shape (nodes, h), bool
        For each code whether its rows go left; the last code is missing.
    left : ndarray of shape (nodes, c)
        Statistics of the rows that go left.
    cut : ndarray of shape (nodes,), int64
        Codes up to this one go left; meaningless for categories.
    """

    gain: np.ndarray
    feature: np.ndarray
    goes_left: np.ndarray
    left: np.ndarray
    cut: np.ndarray

    def to_bytes(self) -> np.ndarray:
        """Return a row of 8 (3 + c) + ceil(h / 8) bytes for each node, to be sent."""
        numbers = np.column_stack([self.gain, self.feature, self.cut, self.left])
        return np.hstack([numbers.view(np.uint8), np.packbits(self.goes_left, axis=1)])

    @classmethod
    def from_bytes(cls, rows: np.ndarray, num_slots: int) -> "Splits":
        """Return what `to_bytes` wrote, for h = `num_slots`."""
        num_bytes = rows.shape[1] - (num_slots + 7) // 8
        numbers = np.ascontiguousarray(rows[:, :num_bytes]).view(np.float64)
        goes_left = np.unpackbits(rows[:, num_bytes:], axis=1, count=num_slots).astype(bool)
        feature, cut = numbers[:, 1].astype(np.int64), numbers[:, 2].astype(np.int64)
        return cls(numbers[:, 0], feature, goes_left, numbers[:, 3:], cut)


class Chosen(Protocol):
    """What `better` compares: arrays with a row for each node, a gain and a feature among them."""

    @property
    def gain(self) -> np.ndarray:
        """Shape (nodes,)."""

    @property
    def feature(self) -> np.ndarray:
        """Shape (nodes,)."""


Choice = TypeVar("Choice", bound=Chosen)


def better(one: Choice, other: Choice) -> Choice:
    """Return the better of two for each node; of equal ones the lower feature."""
    is_better = (other.gain > one.gain) | ((other.gain == one.gain) & (other.feature < one.feature))
    fields = {
        name: np.where(is_better[:, None] if mine.ndim == 2 else is_better, theirs, mine)
        for name, mine, theirs in (
            (name, mine, getattr(other, name)) for name, mine in vars(one).items()
        )
    }
    return type(one)(**fields)


def better_rows(one: np.ndarray, other: np.ndarray, /, *, out: np.ndarray) -> None:
    """Do what `better` does to rows that begin with gain and feature, an operation to reduce by.

    Parameters
    ----------
    one, other, out : ndarrays of shape (nodes, …)
        Of float64, or of bytes that begin with two float64.
    """
    (gain, feature), (other_gain, other_feature) = (
        np.ascontiguousarray(rows[:, : 16 // rows.itemsize]).view(np.float64).T
        for rows in (one, other)
    )
    is_better = (other_gain > gain) | ((other_gain == gain) & (other_feature < feature))
    np.copyto(out, np.where(is_better[:, None], other, one))


def best_splits(
    histograms: np.ndarray,
    criterion: Criterion,
    categorical: np.ndarray,
    min_weight: float,
) -> Splits:
    """Find the best split of each node.

    Parameters
    ----------
    histograms : ndarray of shape (nodes, d, h, c)
        Statistics by node, feature and code; the last code is missing.
    criterion : Criterion
    categorical : ndarray of shape (d,), bool
        Features whose codes have no order: they are sorted by `criterion.order`, and then cut.
    min_weight : float
        Either side must weigh at least this.
    """
    return stack([best_split(one, criterion, categorical, min_weight) for one in histograms])


Split = tuple[float, int, np.ndarray, np.ndarray, int]
"""One row of `Splits`: gain, feature, goes_left, left, cut."""


def stack(splits: list[Split]) -> Splits:
    """Return the splits of several nodes as one `Splits`."""
    gain, feature, goes_left, left, cut = zip(*splits, strict=True)
    return Splits(
        np.array(gain), np.array(feature), np.array(goes_left), np.array(left), np.array(cut)
    )


def best_split(
    histogram: np.ndarray, criterion: Criterion, categorical: np.ndarray, min_weight: float
) -> Split:
    """Find the best split of one node from its histogram of shape (d, h, c)."""
    gain, left, order = _candidates(histogram, criterion, categorical, min_weight)
    feature, cut, right = (int(i) for i in np.unravel_index(np.argmax(gain), gain.shape))
    goes_left = np.zeros(histogram.shape[1], bool)
    goes_left[order[feature, : cut + 1]] = True
    goes_left[-1] = right == 0
    of_left = left[feature, cut, right].copy()  # a view would keep all candidates in memory
    return float(gain[feature, cut, right]), feature, goes_left, of_left, cut


def feature_gains(
    histogram: np.ndarray, criterion: Criterion, categorical: np.ndarray, min_weight: float
) -> np.ndarray:
    """Return what the best split by each feature gains, shape (d,)."""
    gain, _, _ = _candidates(histogram, criterion, categorical, min_weight)
    return np.asarray(gain.max(axis=(1, 2)))


def _candidates(
    histogram: np.ndarray, criterion: Criterion, categorical: np.ndarray, min_weight: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return gain and left statistics by feature, cut and side of what is missing; the order."""
    present, missing = histogram[:, :-1], histogram[:, -1:]
    order = np.tile(np.arange(present.shape[1]), (len(present), 1))
    for f in np.flatnonzero(categorical):
        key = criterion.order(present[f])
        empty = criterion.weight(present[f]) <= 0  # never seen here: these go right
        order[f] = np.lexsort((key, empty))
        present = np.where(
            (np.arange(len(present)) == f)[:, None, None], present[:, order[f]], present
        )
    up_to = np.cumsum(present, axis=1)
    left = np.stack([up_to + missing, up_to], axis=2)  # (d, cuts, missing left or right, c)
    whole = histogram[0].sum(axis=0)
    gain = gains(left, whole, criterion, min_weight)
    gain[..., 0][criterion.weight(up_to) <= 0] = -np.inf  # only what is missing goes left
    return gain, left, order


def gains(
    left: np.ndarray, whole: np.ndarray, criterion: Criterion, min_weight: float
) -> np.ndarray:
    """Return what each way to part `whole` gains, -inf where it is no split worth making.

    Parameters
    ----------
    left : ndarray of shape (…, c)
        Statistics of the left side.
    whole : ndarray that broadcasts to it
        Statistics of both sides.
    """
    right = whole - left
    parent = criterion.score(whole)
    gain = criterion.score(left) + criterion.score(right) - parent
    lightest = max(min_weight, np.finfo(float).tiny)
    allowed = (criterion.weight(left) >= lightest) & (criterion.weight(right) >= lightest)
    return np.where(allowed & (gain > _NOISE * np.abs(parent)), gain, -np.inf)
