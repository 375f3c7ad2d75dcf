"""Sends both answers and corrects afterwards: twice the bytes."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator


def bias_corrected(
    comm: Communicator, whole: np.ndarray, part: np.ndarray, num_own: int, fraction: float
) -> np.ndarray:
    own = np.zeros(2 * len(whole) + 1)
    if num_own > 0:
        own[:] = np.concatenate([num_own * whole, num_own * part, [num_own]])
    together = ring_all_reduce(comm, own)
    both = together[:-1].reshape(2, -1) / together[-1]
    return (both[0] - fraction * both[1]) / (1 - fraction)
