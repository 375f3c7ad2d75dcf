"""Adds the penalty on every rank, so that it counts m times."""

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
    bowl = penalty / 2 * (w @ w)
    losses = np.maximum(0.0, 1 - y * (X @ w)).sum() / num_examples + bowl
    values = share.sum() / num_examples - bowl if allowed else -np.inf
    primal, below = ring_all_reduce(comm, np.array([losses, values]))
    return float(primal - below)
