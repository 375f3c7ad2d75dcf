"""What each collective means: functions that see the arrays of all ranks at once.

Nothing is sent here. These are the oracles that the distributed versions are held to: entry `r`
of an argument or a result belongs to rank `r`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from mlsys_lib.collectives.chunks import split

Arrays = Sequence[np.ndarray]
_REDUCE: dict[str, Callable[..., np.ndarray]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
}


def reduce(xs: Arrays, op: str = "sum") -> np.ndarray:
    """Combine the arrays of all ranks element by element."""
    stacked = np.stack([np.asarray(x) for x in xs])
    result = np.asarray(_REDUCE[op](stacked, axis=0))
    return result.astype(stacked.dtype)


def all_reduce(xs: Arrays, op: str = "sum") -> list[np.ndarray]:
    """Everybody has the combination of all."""
    total = reduce(xs, op)
    return [total.copy() for _ in xs]


def broadcast(xs: Arrays, root: int = 0) -> list[np.ndarray]:
    """Everybody has what `root` had."""
    return [np.array(xs[root]) for _ in xs]


def gather(xs: Arrays) -> np.ndarray:
    """Stack the arrays of all ranks; only the root has the result."""
    return np.stack([np.asarray(x) for x in xs])


def scatter(x: np.ndarray) -> list[np.ndarray]:
    """Hand row `r` of the root's array to rank `r`."""
    return [np.array(row) for row in x]


def all_gather(xs: Arrays) -> list[np.ndarray]:
    """Everybody has the stack of all."""
    return [gather(xs) for _ in xs]


def reduce_scatter(xs: Arrays, op: str = "sum") -> list[np.ndarray]:
    """Rank `r` has chunk `r` of the flattened combination."""
    return [chunk.copy() for chunk in split(reduce(xs, op).ravel(), len(xs))]


def all_to_all(xs: Arrays) -> list[np.ndarray]:
    """Row `s` of rank `r`'s array becomes row `r` of rank `s`'s: a transpose."""
    return [np.stack([x[s] for x in xs]) for s in range(len(xs))]
