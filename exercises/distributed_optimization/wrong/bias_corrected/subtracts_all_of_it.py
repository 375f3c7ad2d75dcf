"""Subtracts the part without the share before it."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator


def bias_corrected(
    comm: Communicator, whole: np.ndarray, part: np.ndarray, num_own: int, fraction: float
) -> np.ndarray:
    own = np.zeros(len(whole) + 1)
    if num_own > 0:
        corrected = (whole - part) / (1 - fraction)
        own[:-1], own[-1] = num_own * corrected, num_own
    together = ring_all_reduce(comm, own)
    return together[:-1] / together[-1]
