"""Cuts each entry off at max_norm, which also turns the gradient."""

import numpy as np


def clip_gradients(gradients: list[np.ndarray], max_norm: float):
    norm = float(np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients)))
    return [np.clip(g, -max_norm, max_norm).astype(g.dtype) for g in gradients], norm
