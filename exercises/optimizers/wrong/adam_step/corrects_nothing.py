"""Leaves the corrections out: the first step is 3.16 times too long."""

import numpy as np


def adam_step(w, g, u, v, t, learning_rate, decays, eps):
    keep_first, keep_second = decays
    u = keep_first * u + (1 - keep_first) * g
    v = keep_second * v + (1 - keep_second) * g**2
    return w - learning_rate * u / (np.sqrt(v) + eps), u, v
