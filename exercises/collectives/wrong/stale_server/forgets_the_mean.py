"""Moves by the whole learning rate at each push, W times too far."""

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
    weights = weights - learning_rate * gradient
    clocks = [steps + (i == worker) for i, steps in enumerate(clocks)]
    furthest = min(clocks) + staleness
    asking = sorted([*waiting, worker])
    waiting = [i for i in asking if clocks[i] > furthest]
    released = [i for i in asking if clocks[i] <= furthest]
    return weights, clocks, waiting, released
