"""Where clients work: in this process, or spread over the ranks of a communicator.

A round gives the same weights to the last bit either way: each client in each round has a random
generator of its own, numbers travel as float64, and answers are taken in the order of the sample.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from mlsys_lib.comm import Communicator, wait_all
from mlsys_lib.comm.communicator import Request
from mlsys_lib.core.validate import integer
from mlsys_lib.federated_learning.aggregation import Update
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import ClientState, LocalSolver
from mlsys_lib.federated_learning.model import Model

HEADER_BYTES = 24
"""Of each message in either direction: three float64 ahead of the weights."""
REASON_BYTES = 256
"""What a rank sends instead of weights if its client failed."""

_MOST_STEPS = 2**53  # float64, in which they travel, holds all integers up to here
_STOP = -1.0  # instead of a client's number: no more rounds
_LOCAL = 1  # keeps the clients' random numbers apart from the server's

Result = TypeVar("Result")


class LocalClients:
    """Clients of this process, with what each of them remembers.

    Parameters
    ----------
    model : Model
    clients : sequence of Client
    local_solver : LocalSolver
    seed : int
    """

    def __init__(
        self, model: Model, clients: Sequence[Client], local_solver: LocalSolver, seed: int
    ) -> None:
        self.clients = clients
        self._model, self._local_solver, self._seed = model, local_solver, seed
        self._states: dict[int, ClientState] = {}

    def visit(
        self, round: int, i: int, work: float, weights: np.ndarray, control: np.ndarray | None
    ) -> Update | str:
        """Return client i's update, or in words why there is none.

        An exception of the local solver is such a reason, and so is an answer that is none; neither
        gets out. Overflow in a local run that diverges is no warning: the server sees the infinite
        numbers.
        """
        client, state = self.clients[i], self._states.setdefault(i, ClientState())
        state.round, state.sent_control = round, None
        state.server_control = None if control is None else control.copy()
        rng = np.random.default_rng([self._seed, _LOCAL, round, i])
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                loss = float(self._model.loss(weights, client.X, client.y))
                found, num_steps = self._local_solver(
                    self._model, client, weights.copy(), rng, work, state
                )
                vectors = [checked_vector("weights", found, weights.shape)]
                if control is not None:
                    vectors.append(checked_vector("control", state.sent_control, weights.shape))
            num_steps = integer("num_steps", num_steps, 0, _MOST_STEPS)
        except Exception as error:
            return _shortened(f"{type(error).__name__}: {error}")
        return Update(i, vectors[0], client.num_examples, num_steps, loss, *vectors[1:])


class RankWorkers:
    """Rank 0 is the server; client i works on rank 1 + i mod (world_size - 1).

    Every rank calls the same function, `fedavg` say, with the same arguments and its own
    communicator. Rank 0 gets the history. The others get one without rounds.

    Parameters
    ----------
    comm : Communicator
        Of at least two ranks.

    Notes
    -----
    A visit costs `HEADER_BYTES` and the weights, 8 k, in each direction, and again 8 k for a second
    vector. If the client failed, `REASON_BYTES` come back in the place of the weights. At the end
    each rank gets one more header. Ranks work at the same time; one with several clients works
    through them one by one.
    """

    def __init__(self, comm: Communicator) -> None:
        if comm.world_size < 2:
            raise ValueError(
                f"world_size must be at least 2, a server and a worker, got {comm.world_size}"
            )
        self._comm = comm

    @property
    def is_server(self) -> bool:
        """Return whether this is rank 0."""
        return self._comm.rank == 0

    def visit_all(
        self,
        local: LocalClients,
        round: int,
        works: Mapping[int, float],
        weights: np.ndarray,
        control: np.ndarray | None,
    ) -> dict[int, Update | str]:
        """Let the clients of `works` do that share of their work; on rank 0."""
        body = weights if control is None else np.concatenate([weights, control])
        sends: list[Request] = []
        for i, work in works.items():
            header = np.array([i, round, work], np.float64)
            sends += [self._comm.isend(x, dst=self.rank_of(i)) for x in (header, body)]
        sizes = [client.num_examples for client in local.clients]
        answers = {i: self._answer(i, sizes[i], body, len(weights)) for i in works}
        wait_all(sends)
        return answers

    def serve(self, local: LocalClients, num_weights: int, *, has_control: bool) -> None:
        """Work for the clients of this rank until the server stops; on the other ranks."""
        header, body = np.empty(3), np.empty(num_weights * (1 + has_control))
        while True:
            self._comm.recv(header, src=0)
            if header[0] == _STOP:
                return
            self._comm.recv(body, src=0)
            weights, control = body[:num_weights], body[num_weights:]
            i, round, work = int(header[0]), int(header[1]), float(header[2])
            got = local.visit(round, i, work, weights, control if has_control else None)
            self._send_back(got)

    def stop(self) -> None:
        """Tell all other ranks that there are no more rounds; on rank 0."""
        for rank in range(1, self._comm.world_size):
            self._comm.send(np.array([_STOP, 0.0, 0.0]), dst=rank)

    def rank_of(self, i: int) -> int:
        """Return the rank on which client i lives."""
        return 1 + i % (self._comm.world_size - 1)

    def _send_back(self, got: Update | str) -> None:
        if isinstance(got, str):
            self._comm.send(np.zeros(3), dst=0)
            reason = np.zeros(REASON_BYTES, np.uint8)
            encoded = got.encode()
            reason[: len(encoded)] = np.frombuffer(encoded, np.uint8)
            self._comm.send(reason, dst=0)
            return
        vectors = [got.weights] if got.control is None else [got.weights, got.control]
        self._comm.send(np.array([1.0, got.num_steps, got.loss]), dst=0)
        self._comm.send(np.concatenate(vectors), dst=0)

    def _answer(self, i: int, num_examples: int, body: np.ndarray, k: int) -> Update | str:
        header, src = np.empty(3), self.rank_of(i)
        self._comm.recv(header, src=src)
        if not header[0]:
            reason = np.empty(REASON_BYTES, np.uint8)
            self._comm.recv(reason, src=src)
            return reason.tobytes().rstrip(b"\0").decode()
        answer = np.empty_like(body)
        self._comm.recv(answer, src=src)
        control = answer[k:] if len(answer) > k else None
        return Update(i, answer[:k], num_examples, int(header[1]), float(header[2]), control)


def over_ranks(
    comm: Communicator, method: Callable[..., Result], *args: Any, **settings: Any
) -> Result:
    """Run a method with its clients spread over the ranks of a run, rank 0 being the server.

    Parameters
    ----------
    method : callable
        `fedavg` or another one that takes `workers`.
    *args, **settings
        Its own. Other ranks than 0 get a history without rounds.

    Examples
    --------
    >>> from mlsys_lib.comm import simulate
    >>> from mlsys_lib.federated_learning import LeastSquares, fedsgd
    >>> clients = [Client(np.ones((1, 1)), np.array([y])) for y in (0.0, 1.0)]
    >>> settings = {"num_rounds": 1, "learning_rate": 0.5}
    >>> run = simulate(over_ranks, 3, fedsgd, LeastSquares(1), clients, np.zeros(1), **settings)
    >>> run.results[0].final
    array([0.25])
    """
    return method(*args, workers=RankWorkers(comm), **settings)


def checked_vector(name: str, values: object, shape: tuple[int, ...]) -> np.ndarray:
    """Return a copy as float64; ValueError for another shape, or if it holds no real numbers."""
    found = np.array(values)
    if found.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {found.shape}")
    if found.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be real numbers, got {found.dtype}")
    return found.astype(np.float64, copy=False)


def _shortened(reason: str) -> str:
    """Return as many characters as fit into the message and come back from it as they were."""
    encoded = reason.encode(errors="replace")[:REASON_BYTES]  # half a surrogate pair has no bytes
    return encoded.decode(errors="ignore").rstrip("\0")
