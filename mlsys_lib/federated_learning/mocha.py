"""Multi-task learning: a linear model for each client, and how the models are related (MOCHA).

Smith, Chiang, Sanjabi & Talwalkar, "Federated multi-task learning", NIPS 2017, arXiv:1705.10467:

    min over W, Ω:  Σ_i Σ_j ℓ(w_i·x_j, y_j) + λ₁ tr(W Ω Wᵀ) + λ₂ ‖W‖²

One step solves for W while Ω stays, the next for Ω while W stays. Ω is the *inverse* of the tasks'
covariance Σ. Zhang & Yeung, "A convex formulation for learning task relationships in multi-task
learning", UAI 2010, arXiv:1203.3536, ask for tr Σ = 1; then Σ = (WᵀW)^½ / tr (WᵀW)^½ is best.

For the W-step each client improves its own dual numbers ζ_i by coordinate ascent and sends
Δz_i = X_iᵀΔζ_i; the server adds and answers with W = Z M, M = (λ₁Ω + λ₂I)⁻¹/2. It is CoCoA with a
matrix where CoCoA has a number:

    dual(ζ) = Σ_i Σ_j -ℓ*(-ζ_j) - tr(Z M Zᵀ)/2,    ω′ = largest eigenvalue of M_ij/√(M_ii M_jj)

A client may do less than the others, or nothing: the share of the error that it leaves is the
paper's θ_i^t, and 1 for one that dropped out.

How ours differs. λ₁ ε tr Ω is added, so that Σ can be inverted: Σ = (WᵀW + εI)^½ / tr. The released
code lifts negative eigenvalues instead. ω′ is the smallest number that is safe for all data; the
paper's bound, the largest row sum of |M_ij|/M_ii, is never smaller. W has a row for each client
here and a column in the paper.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import non_negative, positive, positive_int
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.sdca import BlockSolver
from mlsys_lib.federated_learning.clients import Client, check_clients

Work = Callable[[int, np.random.Generator], np.ndarray]
"""For a round, each client's share in [0, 1] of the local steps; 0 is a client that dropped out."""


@dataclass(frozen=True, eq=False)
class MultiTask:
    """A model for each client.

    Attributes
    ----------
    weights : ndarray of shape (m, d)
        Row i is client i's.
    covariance : ndarray of shape (m, m)
        Σ with which the weights were found; Ω is its inverse.
    objectives : tuple of float
        The whole objective after each W-step, ε's term included.
    gaps : tuple of tuple of float
        For each W-step the duality gap before its first round and after each: the step's own
        objective is at most that far above its minimum.
    bytes_up, bytes_down : tuple of tuple of int
        For each W-step and round: d numbers of 8 bytes from each client that did something, and
        as many back to it.
    """

    weights: np.ndarray
    covariance: np.ndarray
    objectives: tuple[float, ...]
    gaps: tuple[tuple[float, ...], ...]
    bytes_up: tuple[tuple[int, ...], ...]
    bytes_down: tuple[tuple[int, ...], ...]


def mocha(
    clients: Sequence[Client],
    loss: Loss,
    relation_penalty: float,
    penalty: float,
    *,
    num_updates: int = 10,
    num_rounds: int = 50,
    local_passes: float = 1.0,
    work: Work | None = None,
    tolerance: float = 1e-6,
    smoothing: float = 1e-6,
    seed: int = 0,
) -> MultiTask:
    """Alternate between the weights and the relations of the clients.

    Parameters
    ----------
    clients : sequence of Client
        `X` of shape (n_i, d) with the same d, `y` of shape (n_i,): labels +1 and -1 for the hinge
        and the logistic loss. A bias is a feature that is always 1.
    loss : Loss
        From `distributed_optimization`: `Squared`, `Hinge` or `Logistic`. Summed over
        examples, as in the paper.
    relation_penalty, penalty : float
        λ₁ > 0 and λ₂ ≥ 0.
    num_updates : int
        W-steps. Σ starts as I/m and is renewed between them; with 1 the clients are alone.
    num_rounds : int
        Most rounds of a W-step.
    local_passes : float
        > 0. A client's local steps, as a multiple of its n_i examples.
    work : callable, optional
        The share of them that each client manages; everyone all of them by default.
    tolerance : float
        ≥ 0. A W-step ends early once its gap is at most this.
    smoothing : float
        ε > 0.
    seed : int
        Of the orders of examples and of `work`.

    Returns
    -------
    MultiTask

    Notes
    -----
    The whole objective is convex in W and Σ together, so the alternation ends at its minimum,
    wherever it starts, if each W-step is solved well enough.

    Examples
    --------
    Two clients see the line y = x, and a third y = -x, each but one example. Alone, each model is
    pulled to 0; once the relations are known, the clients support each other.

    >>> from mlsys_lib.distributed_optimization import Squared
    >>> x = np.ones((1, 1))
    >>> clients = [Client(x, np.array([1.0])), Client(x, np.array([1.0])), Client(x, -np.ones(1))]
    >>> alone = mocha(clients, Squared(), relation_penalty=0.1, penalty=0.0, num_updates=1)
    >>> together = mocha(clients, Squared(), relation_penalty=0.1, penalty=0.0)
    >>> alone.weights[:, 0].round(3).tolist(), together.weights[:, 0].round(3).tolist()
    ([0.625, 0.625, -0.625], [0.833, 0.833, -0.833])
    >>> (together.covariance * 3).round(2).tolist()
    [[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]
    """
    _check(clients, loss)
    positive("relation_penalty", relation_penalty)
    non_negative("penalty", penalty)
    positive_int("num_updates", num_updates)
    positive_int("num_rounds", num_rounds)
    positive("local_passes", local_passes)
    non_negative("tolerance", tolerance)
    positive("smoothing", smoothing)
    tasks = _Tasks(clients, loss, local_passes, work, seed)
    covariance = np.eye(len(clients)) / len(clients)
    objectives, gaps, traffic = [], [], []
    for update in range(num_updates):
        if update:
            covariance = task_covariance(tasks.weights, smoothing)
        found, sent = tasks.solve(
            _coupling(covariance, relation_penalty, penalty), num_rounds, tolerance
        )
        gaps.append(found)
        traffic.append(sent)
        objectives.append(
            multi_task_objective(
                clients, loss, tasks.weights, covariance, relation_penalty, penalty, smoothing
            )
        )
    sizes = tuple(traffic)
    return MultiTask(tasks.weights, covariance, tuple(objectives), tuple(gaps), sizes, sizes)


def task_covariance(weights: np.ndarray, smoothing: float) -> np.ndarray:
    """Return the best Σ for weights of shape (m, d): (WᵀW + εI)^½ over its trace, (m, m)."""
    values, vectors = np.linalg.eigh(weights @ weights.T)
    roots = np.sqrt(np.maximum(values, 0.0) + positive("smoothing", smoothing))
    return np.asarray((vectors * (roots / roots.sum())) @ vectors.T)


def multi_task_objective(
    clients: Sequence[Client],
    loss: Loss,
    weights: np.ndarray,
    covariance: np.ndarray,
    relation_penalty: float,
    penalty: float,
    smoothing: float,
) -> float:
    """Return Σ_i Σ_j ℓ + λ₁ (tr(W Ω Wᵀ) + ε tr Ω) + λ₂ ‖W‖²; weights of shape (m, d)."""
    losses = sum(
        float(loss.value(client.X @ w, client.y).sum())
        for client, w in zip(clients, weights, strict=True)
    )
    squares = weights @ weights.T
    relation = np.trace(np.linalg.solve(covariance, squares + smoothing * np.eye(len(weights))))
    return float(losses + relation_penalty * relation + penalty * np.trace(squares))


def exact_multi_task(
    clients: Sequence[Client],
    relation_penalty: float,
    penalty: float,
    *,
    num_updates: int = 10,
    smoothing: float = 1e-6,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights and Σ that `mocha` tends to for the squared loss, by linear systems.

    It sees the data of all clients at once. A W-step costs (m d)³ operations.
    """
    m = len(clients)
    covariance = np.eye(m) / m
    weights = exact_weights(clients, covariance, relation_penalty, penalty)
    for _ in range(num_updates - 1):
        covariance = task_covariance(weights, smoothing)
        weights = exact_weights(clients, covariance, relation_penalty, penalty)
    return weights, covariance


def exact_weights(
    clients: Sequence[Client], covariance: np.ndarray, relation_penalty: float, penalty: float
) -> np.ndarray:
    """Solve the W-step of the squared loss: X_iᵀ(X_i w_i - y_i) + 2 Σ_j A_ij w_j = 0.

    A = λ₁Ω + λ₂I. Returns weights of shape (m, d).
    """
    m, d = len(clients), clients[0].X.shape[1]
    coupling = relation_penalty * np.linalg.inv(covariance) + penalty * np.eye(m)
    system = np.kron(2 * coupling, np.eye(d)).reshape(m, d, m, d)
    for i, client in enumerate(clients):
        system[i, :, i] += client.X.T @ client.X
    targets = np.concatenate([client.X.T @ client.y for client in clients])
    return np.linalg.solve(system.reshape(m * d, m * d), targets).reshape(m, d)


def _coupling(covariance: np.ndarray, relation_penalty: float, penalty: float) -> np.ndarray:
    """Return M = (λ₁Ω + λ₂I)⁻¹/2 without inverting Σ."""
    values, vectors = np.linalg.eigh(covariance)
    scales = values / (2 * (relation_penalty + penalty * values))
    return np.asarray((vectors * scales) @ vectors.T)


def safe_scale(coupling: np.ndarray) -> float:
    """Return ω′ for M: tr(Z M Zᵀ) <= ω′ Σ_i M_ii ‖z_i‖² for every Z; between 1 and m."""
    roots = np.sqrt(np.diag(coupling))
    return float(np.linalg.eigvalsh(coupling / np.outer(roots, roots))[-1])


class _Tasks:
    """The dual numbers of all clients, what the server makes of them, and the W-step."""

    def __init__(
        self,
        clients: Sequence[Client],
        loss: Loss,
        local_passes: float,
        work: Work | None,
        seed: int,
    ) -> None:
        self._clients, self._loss, self._work = clients, loss, work
        streams = np.random.default_rng(seed).spawn(len(clients) + 1)
        self._rng = streams[-1]
        self._solvers = [
            BlockSolver(client.X, client.y, loss, rng)
            for client, rng in zip(clients, streams[:-1], strict=True)
        ]
        self._duals = [np.zeros(client.num_examples) for client in clients]
        self._steps = np.array([local_passes * client.num_examples for client in clients])
        self._sums = np.zeros((len(clients), clients[0].X.shape[1]))  # z_i = X_iᵀζ_i
        self.weights = np.zeros_like(self._sums)
        self._round = 0

    def solve(
        self, coupling: np.ndarray, num_rounds: int, tolerance: float
    ) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """Improve the dual until the gap is small; return the gaps and the bytes up by rounds."""
        scale, shrink = safe_scale(coupling), 1 / np.diag(coupling)
        self.weights = coupling @ self._sums
        gaps = [self._gap()]
        traffic: list[int] = []
        while gaps[-1] > tolerance and len(traffic) < num_rounds:
            steps = np.ceil(self._shares() * self._steps).astype(int)
            for i in np.flatnonzero(steps):
                change = self._solvers[i].solve(
                    self._duals[i], self.weights[i], float(shrink[i]), scale, int(steps[i])
                )
                self._sums[i] += shrink[i] * change
            self.weights = coupling @ self._sums
            self._round += 1
            gaps.append(self._gap())
            traffic.append(int(np.count_nonzero(steps)) * self._sums[0].nbytes)
        return tuple(gaps), tuple(traffic)

    def _gap(self) -> float:
        """Return primal minus dual, each with tr(Z M Zᵀ)/2 once."""
        gap = float((self._sums * self.weights).sum())
        for client, dual, w in zip(self._clients, self._duals, self.weights, strict=True):
            gap += float(self._loss.value(client.X @ w, client.y).sum())
            gap -= float(self._loss.dual_value(dual, client.y).sum())
        return gap

    def _shares(self) -> np.ndarray:
        m = len(self._clients)
        shares = np.ones(m) if self._work is None else self._work(self._round, self._rng)
        shares = np.asarray(shares, dtype=float)
        if shares.shape != (m,) or not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"work must return {m} shares in [0, 1], got {shares}")
        return shares


def _check(clients: Sequence[Client], loss: Loss) -> None:
    check_clients(clients)
    for client in clients:
        loss.check_targets(client.y)
