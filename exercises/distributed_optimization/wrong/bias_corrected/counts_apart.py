"""Sends the count in an all-reduce of its own."""

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator


def bias_corrected(
    comm: Communicator, whole: np.ndarray, part: np.ndarray, num_own: int, fraction: float
) -> np.ndarray:
    corrected = (whole - fraction * part) / (1 - fraction) if num_own else np.zeros(len(whole))
    num_examples = ring_all_reduce(comm, np.array([float(num_own)]))[0]
    return ring_all_reduce(comm, num_own * corrected) / num_examples
