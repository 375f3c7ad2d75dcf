"""Adds eps to the root of the v that is not corrected."""

import numpy as np


def adam_step(w, g, u, v, t, learning_rate, decays, eps):
    keep_first, keep_second = decays
    u = keep_first * u + (1 - keep_first) * g
    v = keep_second * v + (1 - keep_second) * g**2
    corrected_u = u / (1 - keep_first**t)
    correction = np.sqrt(1 - keep_second**t)
    return w - learning_rate * corrected_u * correction / (np.sqrt(v) + eps), u, v
