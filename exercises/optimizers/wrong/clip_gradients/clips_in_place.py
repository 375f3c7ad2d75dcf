"""Scales the arrays that it was handed."""

import numpy as np


def clip_gradients(gradients, max_norm):
    norm = float(np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients)))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return gradients, norm
