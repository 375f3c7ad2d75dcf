"""Moves w0 itself, though it returns the right points."""

import numpy as np


def nesterov_path(hessian, w0, learning_rate, momentum, num_steps):
    w, previous = w0, w0.copy()
    path = [w.copy()]
    for _ in range(num_steps):
        ahead = w + momentum * (w - previous)
        previous = w.copy()
        w -= w - ahead + learning_rate * (hessian @ ahead)
        path.append(w.copy())
    return np.array(path)
