"""Divides by the examples of this rank and not of all."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator


def duality_gap(
    comm: Communicator,
    X: np.ndarray,
    y: np.ndarray,
    dual: np.ndarray,
    w: np.ndarray,
    penalty: float,
    num_examples: int,
) -> float:
    share = dual * y
    allowed = ((share >= 0) & (share <= 1)).all()
    losses = np.maximum(0.0, 1 - y * (X @ w)).sum()
    values = share.sum() if allowed else -np.inf
    losses, values = ring_all_reduce(comm, np.array([losses, values]))
    bowl = penalty / 2 * (w @ w)
    return float((losses / max(1, len(y)) + bowl) - (values / max(1, len(y)) - bowl))
