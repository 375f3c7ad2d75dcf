"""The ring of the book beside gloo's own all_reduce, on the same processes."""

import time

import numpy as np
import torch
import torch.distributed as dist

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator


def compare(comm: Communicator, size_bytes: int, dtype: str, repeat: int) -> dict[str, list[float]]:
    """Time both in turns; return the seconds of each repetition on this rank."""
    x = np.ones(size_bytes // np.dtype(dtype).itemsize, dtype)
    seconds: dict[str, list[float]] = {"ring": [], "gloo": []}
    for _ in range(repeat):
        dist.barrier()
        start_s = time.perf_counter()
        ring_all_reduce(comm, x)
        seconds["ring"].append(time.perf_counter() - start_s)
        tensor = torch.from_numpy(x.copy())
        dist.barrier()
        start_s = time.perf_counter()
        dist.all_reduce(tensor)
        seconds["gloo"].append(time.perf_counter() - start_s)
    return seconds
