"""A quantile sketch that merges: what workers tell each other of a column that none of them has.

To cut a column into bins of equal weight one would sort it, but its rows lie on many machines. Each
worker summarizes its own rows, and the summaries are merged in any order (Agarwal, Cormode, Huang,
Phillips, Wei & Yi, "Mergeable summaries", PODS 2012, doi:10.1145/2213556.2213562; the buffers are
those of Manku, Rajagopalan & Lindsay, SIGMOD 1998, doi:10.1145/276304.276342).

Level h holds values that stand for 2^h values each. A level that is too full is *compacted*:
sorted, and every second value moves up. A compaction at level h moves no rank by more than 2^h.
Theirs draws at random whether the odd or the even ones move; ours takes turns, so the bound below
is certain.
"""

from collections.abc import Iterable

import numpy as np

from mlsys_lib.core.validate import integer


class QuantileSketch:
    """Ranks of n values, known up to `rank_error`.

    Parameters
    ----------
    capacity : int
        Values that a level may hold, at least 2. The sketch keeps at most that many for each of
        about log2(n / capacity) levels.

    Attributes
    ----------
    num_values : int
        n, NaN not counted.
    rank_error : int
        No rank is wrong by more: the sum of 2^h over all compactions. At most n / capacity for each
        level above the first.
    """

    def __init__(self, capacity: int = 256) -> None:
        self.capacity = integer("capacity", capacity, 2)
        self.num_values = 0
        self.rank_error = 0
        self._levels: list[np.ndarray] = [np.empty(0)]
        self._turn = 0

    def add(self, values: np.ndarray) -> "QuantileSketch":
        """Take in an array of any shape; NaN is passed over. Return self."""
        flat = np.asarray(values, dtype=np.float64).ravel()
        flat = flat[~np.isnan(flat)]
        self.num_values += flat.size
        self._levels[0] = np.concatenate([self._levels[0], flat])
        self._compact()
        return self

    def merge(self, other: "QuantileSketch") -> "QuantileSketch":
        """Take in all that `other` knows, which stays as it is; errors add. Return self."""
        if other.capacity != self.capacity:
            raise ValueError(f"capacity must be {self.capacity} to merge, got {other.capacity}")
        self.num_values += other.num_values
        self.rank_error += other.rank_error
        while len(self._levels) < len(other._levels):
            self._levels.append(np.empty(0))
        for level, values in enumerate(other._levels):
            self._levels[level] = np.concatenate([self._levels[level], values])
        self._compact()
        return self

    def _compact(self) -> None:
        level = 0
        while level < len(self._levels):
            values = np.sort(self._levels[level])
            if values.size > self.capacity:
                stays = values.size % 2  # an odd one out has no partner
                if level + 1 == len(self._levels):
                    self._levels.append(np.empty(0))
                moving = values[stays:][self._turn :: 2]
                self._levels[level + 1] = np.concatenate([self._levels[level + 1], moving])
                values = values[:stays]
                self.rank_error += 2**level
                self._turn = 1 - self._turn
            self._levels[level] = values
            level += 1

    def weighted_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the values that are kept, in rising order, and how many each stands for."""
        values = np.concatenate(self._levels)
        weights = np.repeat(
            [2**h for h in range(len(self._levels))], [v.size for v in self._levels]
        )
        order = np.argsort(values, kind="stable")
        return values[order], weights[order]

    def rank(self, value: float) -> int:
        """Return about how many values are <= `value`."""
        values, weights = self.weighted_values()
        return int(weights[values <= value].sum())

    def quantiles(self, shares: Iterable[float]) -> np.ndarray:
        """Return for each share in [0, 1] a kept value whose rank is about share · n."""
        values, weights = self.weighted_values()
        if not values.size:
            return np.empty(0)
        wanted = np.asarray(list(shares)) * self.num_values
        return values[np.minimum(np.searchsorted(np.cumsum(weights), wanted), values.size - 1)]
