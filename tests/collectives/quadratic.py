"""A problem whose gradients every worker can compute: in a module, for processes."""

import numpy as np

TARGETS = np.array(
    [[1.0, -2.0, 3.0, 0.5, 4.0], [0.0, 1.0, -1.0, 2.5, 2.0], [5.0, 0.0, 1.0, 1.0, 0.0]]
)
CURVATURE = np.array([1.0, 0.5, 2.0, 0.1, 1.5])


def gradient(worker: int, step: int, weights: np.ndarray) -> np.ndarray:
    """Return the slope of worker's part, 1/2 c (w - target)^2, with a part that changes by step."""
    return CURVATURE * (weights - TARGETS[worker % 3]) + 0.01 * worker * np.cos(step)


def serial(num_workers: int, num_steps: int, learning_rate: float) -> np.ndarray:
    """Return the weights of gradient descent on the mean over all workers, in one place."""
    weights = np.zeros(5)
    for step in range(num_steps):
        slopes = [gradient(worker, step, weights) for worker in range(num_workers)]
        weights = weights - learning_rate * np.mean(slopes, axis=0)
    return weights
