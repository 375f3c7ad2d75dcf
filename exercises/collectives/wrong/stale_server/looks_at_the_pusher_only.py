"""Asks only whether the one who pushed may go on; who waits, waits for ever."""

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
    clocks = [steps + (i == worker) for i, steps in enumerate(clocks)]
    furthest = min(clocks) + staleness
    released = [worker] if clocks[worker] <= furthest else []
    waiting = waiting if released else sorted([*waiting, worker])
    return weights, clocks, waiting, released
