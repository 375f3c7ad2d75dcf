"""The baseline: the same ring on threads that run freely and talk through queues.

This is what a simulator looks like at first: short, and quick for small arrays. Its threads race,
so no two runs are alike, and a deadlock is a hang.
"""

import threading
from collections import defaultdict
from queue import Queue, SimpleQueue

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator

AnyQueue = type[Queue] | type[SimpleQueue]
Mail = defaultdict[tuple[int, int], Queue | SimpleQueue]


class QueueCommunicator(Communicator):
    """A rank with as much of a communicator as a ring needs."""

    def __init__(self, rank: int, world_size: int, mail: Mail) -> None:
        self.rank, self.world_size, self._mail = rank, world_size, mail

    def send_recv(self, x: np.ndarray, out: np.ndarray, dst: int, src: int, tag: int = 0) -> None:
        """Send a copy, and copy what arrives: as the simulator does."""
        self._mail[self.rank, dst].put(x.copy())
        out[...] = self._mail[src, self.rank].get()


def ring_on_queues(world_size: int, x: np.ndarray, queue: AnyQueue = Queue) -> list[np.ndarray]:
    """All-reduce `x` with the library's own ring over queues."""
    mail: Mail = defaultdict(queue)
    for rank in range(world_size):  # made beforehand: threads must not race to make one
        mail[rank, (rank + 1) % world_size]
    results: list[np.ndarray] = [x] * world_size

    def body(rank: int) -> None:
        results[rank] = ring_all_reduce(QueueCommunicator(rank, world_size, mail), x)

    threads = [threading.Thread(target=body, args=(rank,)) for rank in range(world_size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
