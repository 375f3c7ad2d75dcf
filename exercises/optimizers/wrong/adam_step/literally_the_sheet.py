"""Swaps the decays and leaves the corrections out, as a cheat sheet does."""

import numpy as np


def adam_step(w, g, u, v, t, learning_rate, decays, eps):
    keep_second, keep_first = decays
    u = keep_first * u + (1 - keep_first) * g
    v = keep_second * v + (1 - keep_second) * g**2
    return w - learning_rate * u / (np.sqrt(v) + eps), u, v
