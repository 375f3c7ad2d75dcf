"""Subtracts the last move instead of adding it."""

import numpy as np


def nesterov_path(hessian, w0, learning_rate, momentum, num_steps):
    path, previous = [w0], w0
    for _ in range(num_steps):
        ahead = path[-1] - momentum * (path[-1] - previous)
        previous = path[-1]
        path.append(ahead - learning_rate * (hessian @ ahead))
    return np.array(path)
