"""Moves one array in place, and returns it once for each step."""

import numpy as np


def nesterov_path(hessian, w0, learning_rate, momentum, num_steps):
    w, previous = w0.copy(), w0.copy()
    path = [w]
    for _ in range(num_steps):
        ahead = w + momentum * (w - previous)
        previous = w.copy()
        w[:] = ahead - learning_rate * (hessian @ ahead)
        path.append(w)
    return np.array(path)
