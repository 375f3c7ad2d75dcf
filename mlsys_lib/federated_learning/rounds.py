"""The round loop: a server sends weights to sampled clients, and makes new ones of what comes back.

It is the frame of every algorithm here, as in McMahan et al., AISTATS 2017, arXiv:1602.05629: who
is sampled, what a client does, and how answers are put together are three pieces that swap. The
paper leaves out clients that fail; here a failure costs an update and never the round. An answer
that is finite counts, however large it is: if the aggregate overflows, the run stops with the last
finite weights, and the history says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer, positive, positive_int
from mlsys_lib.federated_learning.aggregation import Aggregation, Update
from mlsys_lib.federated_learning.clients import Client, check_finite, checked_client_weights
from mlsys_lib.federated_learning.history import History
from mlsys_lib.federated_learning.local import ClientState, LocalSolver
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.sampling import Sampling
from mlsys_lib.federated_learning.systems import Systems, Visit
from mlsys_lib.federated_learning.workers import LocalClients, RankWorkers, checked_vector

__all__ = [
    "Aggregation",
    "ClientState",
    "History",
    "LocalSolver",
    "Sampling",
    "Systems",
    "Update",
    "federate",
]

SAMPLING_STREAM, SYSTEMS_STREAM = (
    0,
    2,
)  # workers has 1: each purpose draws from a generator of its own

Traces = Mapping[str, Callable[[np.ndarray], float]]


@dataclass(frozen=True, eq=False)
class _Round:
    weights: np.ndarray
    sampled: tuple[int, ...]
    lost: dict[int, str]
    num_steps: dict[int, int]
    down_bytes: int
    up_bytes: int
    seconds: float
    diverged: bool


def federate(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    num_rounds: int,
    sampling: Sampling,
    local_solver: LocalSolver,
    aggregation: Aggregation,
    client_weights: np.ndarray | Sequence[float] | None = None,
    server_control: Callable[[], np.ndarray] | None = None,
    systems: Systems | None = None,
    local_epochs: float = 1.0,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run rounds of sampling, local work and aggregation.

    Parameters
    ----------
    model : Model
    clients : sequence of Client
        m ≥ 1 of them; each must fit the model.
    start : ndarray of shape (k,)
        w_0, finite. Not modified.
    num_rounds : int
        T ≥ 1.
    sampling : Sampling
        Who takes part.
    local_solver : LocalSolver
        What a client does.
    aggregation : Aggregation
        What the server makes of the answers.
    client_weights : array of shape (m,), optional
        p_i ≥ 0 that sum to one, for the sampling and the aggregation; by default n_i / n. An
        aggregation may have its own weights: `MeanByExamples` counts examples.
    server_control : callable, optional
        For methods with a second vector: returns what is sent with the weights, of shape (k,).
        Each answer must then have one too.
    systems : Systems, optional
        By default every client has all the time it needs, and rounds take none.
    local_epochs : float
        Passes over its examples that a client's full work is; only `systems` reads it.
    traces : mapping of str to callable, optional
        Functions of the weights, computed of w_0 and after each round.
    seed : int
        ≥ 0. Sampling, systems and each client's work draw apart, each round anew. Two methods with
        the same seed and sampling get the same samples.
    workers : RankWorkers, optional
        Where clients work; by default in this process, one after the other.

    Returns
    -------
    History
        A client that raises, or sends weights that are not finite real numbers of the right shape,
        is in `lost`. If nobody answers, the weights stay, unless the aggregation says that it
        `takes_nobody`. If the aggregate is not finite, since one answer is huge or all grow, the
        run ends with that round: its weights stay too, and `diverged_at` is set.

    Raises
    ------
    ValueError, TypeError
        For input that does not fit, before any work: of clients the model's loss at `start` is
        computed once. Later, if sampling or aggregation return what they must not.

    Examples
    --------
    >>> from mlsys_lib.federated_learning.aggregation import MeanByExamples
    >>> from mlsys_lib.federated_learning.local import LocalSgd
    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> from mlsys_lib.federated_learning.sampling import Everyone
    >>> clients = [Client(np.ones((n, 1)), np.full(n, y)) for n, y in ((3, 0.0), (1, 1.0))]
    >>> history = federate(
    ...     LeastSquares(1), clients, np.zeros(1), num_rounds=3, sampling=Everyone(),
    ...     local_solver=LocalSgd(1, None, 0.5), aggregation=MeanByExamples(),
    ... )
    >>> history.weights[:, 0].tolist(), history.down_bytes.tolist()
    ([0.0, 0.125, 0.1875, 0.21875], [16, 16, 16])
    """
    start = _checked_start(model, start)
    shares = checked_client_weights(clients, client_weights)
    positive_int("num_rounds", num_rounds)
    positive("local_epochs", local_epochs)
    seed = integer("seed", seed, 0)
    _check_fit(model, clients, start)
    local = LocalClients(model, clients, local_solver, seed)
    if workers is not None and not workers.is_server:
        workers.serve(local, len(start), has_control=server_control is not None)
        return History(start[None])
    server = _Server(
        local, workers, sampling, aggregation, shares, server_control, systems, local_epochs, seed
    )
    rounds: list[_Round] = []
    for t in range(num_rounds):
        rounds.append(server.round(t, rounds[-1].weights if rounds else start))
        if rounds[-1].diverged:
            break
    if workers is not None:
        workers.stop()
    return _history(start, rounds, traces or {})


@dataclass(frozen=True, eq=False)
class _Server:
    local: LocalClients
    workers: RankWorkers | None
    sampling: Sampling
    aggregation: Aggregation
    shares: np.ndarray
    server_control: Callable[[], np.ndarray] | None
    systems: Systems | None
    local_epochs: float
    seed: int

    def round(self, t: int, weights: np.ndarray) -> _Round:
        """Run round t from these weights."""
        sampled = self._sample(t)
        control = self._control(weights)
        size = weights.nbytes * (1 if control is None else 2)
        visits, seconds = self._plan(t, list(dict.fromkeys(sampled)), size)
        works = {i: visit.work for i, visit in visits.items() if not visit.lost}
        answers = self._ask(t, works, weights, control)
        lost = {i: visit.lost for i, visit in visits.items() if visit.lost}
        lost |= {i: reason for i, got in answers.items() if (reason := fault_of(got))}
        sound = {i: got for i, got in answers.items() if isinstance(got, Update) and i not in lost}
        new = self._aggregate(t, weights, [sound[i] for i in sampled if i in sound])
        diverged = not np.isfinite(new).all()
        if diverged:  # then no update counts
            lost |= {i: _size(update) for i, update in sound.items()}
            new, sound = weights, {}
        return _Round(
            new,
            tuple(sampled),
            lost,
            {i: update.num_steps for i, update in sound.items()},
            down_bytes=size * sum(visit.hears for visit in visits.values()),
            up_bytes=size * sum(isinstance(got, Update) for got in answers.values()),
            seconds=seconds,
            diverged=diverged,
        )

    @property
    def _takes_nobody(self) -> bool:
        return getattr(self.aggregation, "takes_nobody", False)

    def _sample(self, t: int) -> list[int]:
        rng = np.random.default_rng([self.seed, SAMPLING_STREAM, t, 0])
        sampled = self.sampling(t, self.shares, rng)
        if not len(sampled) and not self._takes_nobody:
            raise ValueError(f"sampling must return at least one client, got none in round {t}")
        return [integer("a sampled client", i, 0, len(self.shares) - 1) for i in sampled]

    def _control(self, weights: np.ndarray) -> np.ndarray | None:
        if self.server_control is None:
            return None
        return checked_vector("server_control", self.server_control(), weights.shape)

    def _plan(self, t: int, clients: list[int], size: int) -> tuple[dict[int, Visit], float]:
        if self.systems is None:
            return dict.fromkeys(clients, Visit()), 0.0
        sizes = [self.local.clients[i].num_examples for i in clients]
        rng = np.random.default_rng([self.seed, SYSTEMS_STREAM, t, 0])
        visits, seconds = self.systems(t, clients, sizes, size, self.local_epochs, rng)
        return dict(zip(clients, visits, strict=True)), seconds

    def _ask(
        self, t: int, works: dict[int, float], weights: np.ndarray, control: np.ndarray | None
    ) -> dict[int, Update | str]:
        if self.workers is not None:
            return self.workers.visit_all(self.local, t, works, weights, control)
        return {i: self.local.visit(t, i, work, weights, control) for i, work in works.items()}

    def _aggregate(self, t: int, weights: np.ndarray, updates: list[Update]) -> np.ndarray:
        if not updates and not self._takes_nobody:
            return weights
        with np.errstate(over="ignore", invalid="ignore"):  # `round` sees infinite numbers
            new = self.aggregation(weights, updates, self.shares)
        return checked_vector(f"aggregation's weights in round {t}", new, weights.shape)


def fault_of(answer: Update | str) -> str:
    """Return in words why an answer cannot be used, "" if it can."""
    if isinstance(answer, str):
        return answer
    if not np.isfinite(answer.weights).all():
        return "weights are not finite"
    if answer.control is not None and not np.isfinite(answer.control).all():
        return "control is not finite"
    return ""


def _size(update: Update) -> str:
    """Return in words how large an answer is whose aggregate overflowed."""
    largest = np.abs(update.weights).max(initial=0.0)
    return f"the aggregate is not finite; largest weight in this answer: {largest:.3g}"


def _checked_start(model: Model, start: np.ndarray) -> np.ndarray:
    start = checked_vector("start", start, (model.num_weights,))
    check_finite("start", start)
    return start


def _check_fit(model: Model, clients: Sequence[Client], start: np.ndarray) -> None:
    """Raise where the model cannot read a client's examples."""
    for i, client in enumerate(clients):
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                model.loss(start, client.X, client.y)
        except ValueError as error:
            raise ValueError(f"client {i} must fit the model: {error}") from error


def _history(start: np.ndarray, rounds: Sequence[_Round], traces: Traces) -> History:
    weights = np.array([start, *(r.weights for r in rounds)])
    with np.errstate(over="ignore", invalid="ignore"):
        traced = {name: np.array([f(w) for w in weights]) for name, f in traces.items()}
    return History(
        weights,
        sampled=tuple(r.sampled for r in rounds),
        lost=tuple(r.lost for r in rounds),
        num_steps=tuple(r.num_steps for r in rounds),
        down_bytes=np.array([r.down_bytes for r in rounds], np.int64),
        up_bytes=np.array([r.up_bytes for r in rounds], np.int64),
        round_s=np.array([r.seconds for r in rounds], np.float64),
        traces=traced,
        diverged_at=len(rounds) - 1 if rounds[-1].diverged else None,
    )
