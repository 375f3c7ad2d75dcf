"""The asynchronous parameter server with bounded staleness (SSP).

Ho et al., "More effective distributed ML via a stale synchronous parallel parameter server",
NIPS 2013. A worker's clock counts its steps. It may run ahead of the slowest worker by at most s
steps; beyond that the server withholds its weights. s = 0 is the synchronous server, s without
bound the asynchronous one (Recht et al., "Hogwild!", NIPS 2011, with a server in between).

Ours pulls fresh weights in every step, where the paper also lets a worker reuse a cached copy.
"""

from dataclasses import dataclass

import numpy as np

from mlsys_lib.collectives.parameter_server import Gradient, checked_weights
from mlsys_lib.comm import Communicator, Request, wait_all
from mlsys_lib.core.validate import integer


@dataclass(frozen=True)
class StaleTrace:
    """What the server saw; workers get one without updates.

    Attributes
    ----------
    weights : ndarray of shape (k,)
        The last weights.
    history : ndarray of shape (num_updates + 1, k)
        The weights before the first and after each update.
    time_s : tuple of float
        When each update was made, on the server's clock.
    lead : tuple of int
        Steps by which the update's worker was ahead of the slowest when it began that step.
    missed : tuple of int
        Updates by others that its gradient did not know of.
    """

    weights: np.ndarray
    history: np.ndarray
    time_s: tuple[float, ...] = ()
    lead: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()


def train_stale(
    comm: Communicator,
    weights: np.ndarray,
    gradient: Gradient,
    num_steps: int,
    learning_rate: float,
    staleness: int,
    compute_s: float = 0.0,
) -> StaleTrace:
    """Gradient descent with rank 0 as server and every other rank a worker of its own pace.

    On each push the server takes w to w - (η / W) · gradient, W being the number of workers, so
    that one step of all workers moves as far as a synchronous step.

    Parameters
    ----------
    weights : ndarray of shape (k,), floating
        The first weights, the same on every rank. Not modified.
    num_steps : int
        Steps of each worker.
    staleness : int
        s >= 0, steps by which a worker may be ahead of the slowest.
    compute_s : float
        Seconds of work per gradient, for the simulated clock; make one worker slow by
        `Faults(slow={rank: factor})`.

    Returns
    -------
    StaleTrace

    Notes
    -----
    W num_steps pushes of k elements, and W (num_steps - 1) pulls.
    """
    weights = checked_weights(comm, weights, num_steps, learning_rate, num_servers=1)
    integer("staleness", staleness, 0)
    if comm.rank == 0:
        return _Server(comm, weights, num_steps, learning_rate, staleness).serve()
    for step in range(num_steps):
        comm.compute(compute_s, "gradient")
        comm.send(gradient(comm.rank - 1, step, weights), 0)
        if step + 1 < num_steps:
            comm.recv(weights, 0)
    return StaleTrace(weights, weights[None])


class _Server:
    """Rank 0: applies gradients as they come, and holds back who is too far ahead."""

    def __init__(
        self,
        comm: Communicator,
        weights: np.ndarray,
        num_steps: int,
        learning_rate: float,
        staleness: int,
    ) -> None:
        self._comm, self._weights, self._num_steps = comm, weights, num_steps
        self._learning_rate, self._staleness = learning_rate, staleness
        self._workers = range(1, comm.world_size)
        self._clock = dict.fromkeys(self._workers, 0)  # steps done
        self._seen = dict.fromkeys(self._workers, 0)  # updates when it got its weights
        self._lead = dict.fromkeys(self._workers, 0)
        self._waiting: set[int] = set()
        self._replies: list[Request] = []

    def serve(self) -> StaleTrace:
        history, time_s, lead, missed = [self._weights.copy()], [], [], []
        pushed = np.empty_like(self._weights)
        for update in range(len(self._workers) * self._num_steps):
            worker = self._comm.recv_any(pushed, self._workers)
            self._weights -= self._learning_rate / len(self._workers) * pushed
            history.append(self._weights.copy())
            time_s.append(self._comm.now_s())
            lead.append(self._lead[worker])
            missed.append(update - self._seen[worker])
            self._clock[worker] += 1
            if self._clock[worker] < self._num_steps:
                self._waiting.add(worker)
            self._release(update + 1)
        wait_all(self._replies)
        return StaleTrace(
            self._weights, np.array(history), tuple(time_s), tuple(lead), tuple(missed)
        )

    def _release(self, num_updates: int) -> None:
        """Send weights to each waiting worker that is not too far ahead."""
        slowest = min(self._clock.values())
        for worker in sorted(self._waiting):
            ahead = self._clock[worker] - slowest
            if ahead <= self._staleness:
                self._waiting.remove(worker)
                self._seen[worker], self._lead[worker] = num_updates, ahead
                self._replies.append(self._comm.isend(self._weights.copy(), worker))
