"""Returns the norm after clipping, which never says that something is wrong."""

import numpy as np


def clip_gradients(gradients: list[np.ndarray], max_norm: float):
    norm = float(np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients)))
    scale = max_norm / norm if norm > max_norm else 1.0
    return [(scale * g.astype(np.float64)).astype(g.dtype) for g in gradients], norm * scale
