"""Takes the gradient ahead, and then steps from w_t: the momentum moves nothing."""

import numpy as np


def nesterov_path(hessian, w0, learning_rate, momentum, num_steps):
    path, previous = [w0], w0
    for _ in range(num_steps):
        ahead = path[-1] + momentum * (path[-1] - previous)
        previous = path[-1]
        path.append(path[-1] - learning_rate * (hessian @ ahead))
    return np.array(path)
