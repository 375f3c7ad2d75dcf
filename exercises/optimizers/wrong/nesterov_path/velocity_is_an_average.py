"""Lets the velocity be a running average: what is new counts 1 - momentum."""

import numpy as np


def nesterov_path(hessian, w0, learning_rate, momentum, num_steps):
    path, velocity = [w0], np.zeros_like(w0)
    for _ in range(num_steps):
        ahead = path[-1] + momentum * velocity
        velocity = momentum * velocity - (1 - momentum) * learning_rate * (hessian @ ahead)
        path.append(path[-1] + velocity)
    return np.array(path)
