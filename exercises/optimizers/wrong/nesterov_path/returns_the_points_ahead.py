"""Returns the points where gradients were taken, which is what torch holds."""

import numpy as np


def nesterov_path(hessian, w0, learning_rate, momentum, num_steps):
    w, previous, path = w0, w0, [w0]
    for _ in range(num_steps):
        ahead = w + momentum * (w - previous)
        previous, w = w, ahead - learning_rate * (hessian @ ahead)
        path.append(w + momentum * (w - previous))
    return np.array(path)
