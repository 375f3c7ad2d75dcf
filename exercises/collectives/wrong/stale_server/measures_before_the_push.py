"""Takes the slowest clock from before the push, so the last one frees nobody."""

import numpy as np


def take_push(
    weights: np.ndarray,
    clocks: list[int],
    waiting: list[int],
    worker: int,
    gradient: np.ndarray,
    learning_rate: float,
    staleness: int,
) -> tuple[np.ndarray, list[int], list[int], list[int]]:
    weights = weights - learning_rate / len(clocks) * gradient
    furthest = min(clocks) + staleness
    clocks = [steps + (i == worker) for i, steps in enumerate(clocks)]
    asking = sorted([*waiting, worker])
    waiting = [i for i in asking if clocks[i] > furthest]
    released = [i for i in asking if clocks[i] <= furthest]
    return weights, clocks, waiting, released
