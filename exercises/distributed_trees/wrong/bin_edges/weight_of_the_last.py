"""Gives a value that two workers have the weight of the last one only."""

import numpy as np


def bin_edges(sketches: list[tuple[np.ndarray, np.ndarray]], num_bins: int) -> np.ndarray:
    heap = {}
    for values, weights in sketches:
        heap.update(zip(values.tolist(), weights.tolist(), strict=True))
    if len(heap) < 2:
        return np.empty(0)
    distinct = np.array(sorted(heap))
    up_to = np.cumsum([heap[value] for value in distinct])
    wanted = np.arange(1, num_bins) / num_bins * up_to[-1]
    taken = np.searchsorted(up_to, wanted)
    return distinct[np.unique(np.minimum(taken, len(distinct) - 2))]
