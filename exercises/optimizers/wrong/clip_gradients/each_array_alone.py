"""Clips each array by its own norm, which turns the gradient as a whole."""

import numpy as np


def clip_gradients(gradients, max_norm):
    norms = [float(np.sqrt(np.sum(g.astype(np.float64) ** 2))) for g in gradients]
    scales = [max_norm / norm if norm > max_norm else 1.0 for norm in norms]
    pairs = zip(scales, gradients, strict=True)
    clipped = [(scale * g.astype(np.float64)).astype(g.dtype) for scale, g in pairs]
    return clipped, float(np.sqrt(sum(norm**2 for norm in norms)))
