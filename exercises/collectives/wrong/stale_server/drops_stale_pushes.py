"""Throws away the push of a worker that is too far ahead, where it should only wait."""

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
    clocks = [steps + (i == worker) for i, steps in enumerate(clocks)]
    furthest = min(clocks) + staleness
    if clocks[worker] <= furthest:
        weights = weights - learning_rate / len(clocks) * gradient
    asking = sorted([*waiting, worker])
    waiting = [i for i in asking if clocks[i] > furthest]
    released = [i for i in asking if clocks[i] <= furthest]
    return weights, clocks, waiting, released
