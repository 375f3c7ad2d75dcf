"""Scales the gradient by the learning rate in the velocity, and once more in the step."""

import numpy as np


def nesterov_path(hessian, w0, learning_rate, momentum, num_steps):
    path, velocity = [w0], np.zeros_like(w0)
    for _ in range(num_steps):
        ahead = path[-1] + momentum * velocity
        velocity = momentum * velocity - learning_rate * (hessian @ ahead)
        path.append(path[-1] + learning_rate * velocity)
    return np.array(path)
