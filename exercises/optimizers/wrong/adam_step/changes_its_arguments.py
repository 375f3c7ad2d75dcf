"""Writes into the arrays that it was handed."""

import numpy as np


def adam_step(w, g, u, v, t, learning_rate, decays, eps):
    keep_first, keep_second = decays
    u *= keep_first
    u += (1 - keep_first) * g
    v *= keep_second
    v += (1 - keep_second) * g**2
    corrected_u = u / (1 - keep_first**t)
    corrected_v = v / (1 - keep_second**t)
    w -= learning_rate * corrected_u / (np.sqrt(corrected_v) + eps)
    return w, u, v
