"""Takes 0 for the point before w_0, so the first step has momentum."""

import numpy as np


def nesterov_path(hessian, w0, learning_rate, momentum, num_steps):
    path, previous = [w0], np.zeros_like(w0)
    for _ in range(num_steps):
        ahead = path[-1] + momentum * (path[-1] - previous)
        previous = path[-1]
        path.append(ahead - learning_rate * (hessian @ ahead))
    return np.array(path)
