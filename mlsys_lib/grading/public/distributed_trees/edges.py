"""Where a column is cut whose values lie, weighted, on many workers."""

from collections.abc import Sequence

import numpy as np

Sketch = tuple[np.ndarray, np.ndarray]
"""A worker's values, in any order, and how many rows each stands for."""


def merged_edges(sketches: Sequence[Sketch], num_bins: int) -> np.ndarray:
    """Return the edges, rising: edge i is the lowest value up to which i / num_bins of all lies.

    The largest value is no edge, since nothing lies above it; the one before stands in for it.
    """
    values = np.concatenate([values for values, _ in sketches])
    weights = np.concatenate([weights for _, weights in sketches])
    distinct, which = np.unique(values, return_inverse=True)
    if len(distinct) < 2:
        return np.empty(0)
    up_to = np.cumsum(np.bincount(which, weights))
    wanted = np.arange(1, num_bins) * up_to[-1]  # times num_bins, so that nothing is rounded
    reached = np.searchsorted(up_to * num_bins, wanted)
    return np.asarray(distinct[np.unique(np.minimum(reached, len(distinct) - 2))])


def draw_sketches(rng: np.random.Generator, num_workers: int, num_values: int) -> list[Sketch]:
    """Draw a sketch for each worker; workers see different ranges, and share some values.

    Worker 0 sees nothing if there are others. Weights are powers of two, as those of a
    `QuantileSketch` are.
    """
    sketches = []
    for worker in range(num_workers):
        size = num_values if worker or num_workers == 1 else 0
        values = rng.integers(0, 20, size) * 0.5 * (worker + 1)
        sketches.append((values, 2 ** rng.integers(0, 5, size)))
    return sketches
