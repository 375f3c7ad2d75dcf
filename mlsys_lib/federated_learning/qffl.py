"""q-FFL: clients with a high loss count more, by a power that is set (q-FedSGD and q-FedAvg).

Li, Sanjabi, Beirami & Smith, "Fair resource allocation in federated learning", ICLR 2020,
arXiv:1905.10497:

    f_q(w) = 1/(q + 1) Σ_i p_i F_i(w)^(q + 1)

q = 0 is the usual objective, q → ∞ the minimum of the largest loss (`agnostic`). p_i is not raised
to a power. Losses must not be negative. What becomes alike are *losses*: that accuracies do too,
and that their mean hardly falls, are observations of the paper and no theorem.

A round draws clients by p_i. With Δ̄_i = L (w - w_i), where w_i is what client i made of w,

    Δ_i = F_i^q Δ̄_i,    h_i = q F_i^(q - 1) ‖Δ̄_i‖² + L F_i^q,    w ← w - Σ Δ_i / Σ h_i.

F_i is the loss at the w that was sent, of all the client's examples. L = 1/η stands for the
smoothness of the F_i, and h_i then bounds that of F_i^(q + 1)/(q + 1): with q, the step size need
not be set anew. If w_i is one step of gradient descent, Δ̄_i is the gradient and this is q-FedSGD;
with epochs of SGD it is q-FedAvg. At q = 0 it is the *plain* mean of the sampled w_i, as p_i is in
the sampling already; it is FedAvg if all n_i are equal.

How ours differs. As in the released code (litian96/fair_flearn), 1e-10 is added to losses before a
power is taken, for a loss of 0 and q < 1. That code draws without replacement, ours with, as the
paper's "with probability p_i" asks for. We divide losses by the largest before taking the power,
which cancels, so that no q over- or underflows.
"""

import math
from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import non_negative, positive
from mlsys_lib.federated_learning.aggregation import Update
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.objective import client_losses
from mlsys_lib.federated_learning.rounds import History, Traces, federate
from mlsys_lib.federated_learning.sampling import ProportionalWithReplacement, Sampling
from mlsys_lib.federated_learning.systems import Systems
from mlsys_lib.federated_learning.workers import RankWorkers

LOSS_GUARD = 1e-10
"""Added to a loss before a power is taken of it."""


def qffl_loss(losses: np.ndarray, client_weights: np.ndarray, fairness: float) -> float:
    """Return 1/(q + 1) Σ p_i F_i^(q + 1).

    Parameters
    ----------
    losses : ndarray of shape (m,)
        F_i, finite; with q > 0 none may be negative.
    client_weights : ndarray of shape (m,)
        p_i ≥ 0 that sum to one.
    fairness : float
        q ≥ 0.

    Examples
    --------
    >>> losses, shares = np.array([0.5, 2.0]), np.array([0.9, 0.1])
    >>> [round(qffl_loss(losses, shares, q), 4) for q in (0, 1, 5)]
    [0.65, 0.3125, 1.069]
    """
    q = non_negative("fairness", fairness)
    losses, shares = np.asarray(losses, float), np.asarray(client_weights, float)
    if shares.shape != losses.shape or (shares < 0).any() or not math.isclose(shares.sum(), 1):
        raise ValueError(
            f"client_weights must be {len(losses)} numbers >= 0 of sum one, got {shares.tolist()}"
        )
    _check_losses(losses, q)
    return float(shares @ losses ** (q + 1)) / (q + 1)


class FairStep:
    """The server's step, w - Σ Δ_i / Σ h_i.

    Parameters
    ----------
    fairness : float
        q ≥ 0.
    smoothness : float
        L > 0.

    Examples
    --------
    Two clients moved by 1 and by -1; the second had twice the loss.

    >>> updates = [
    ...     Update(0, np.array([1.0]), num_examples=1, num_steps=1, loss=1.0),
    ...     Update(1, np.array([-1.0]), num_examples=1, num_steps=1, loss=2.0),
    ... ]
    >>> [FairStep(q, 1.0)(np.zeros(1), updates, np.ones(2) / 2).round(6) for q in (0, 1)]
    [array([0.]), array([-0.2])]
    """

    def __init__(self, fairness: float, smoothness: float) -> None:
        self.fairness = non_negative("fairness", fairness)
        self.smoothness = positive("smoothness", smoothness)

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return the next weights; a client that was drawn twice counts twice.

        An update whose loss is not finite is left out; if that is all of them, the weights stay.
        They also stay if ‖Δ̄_i‖² overflows, as h_i is then infinite; if Δ̄_i itself does, the
        result is not finite, and `federate` stops.

        Raises
        ------
        ValueError
            If q > 0 and a loss is negative: it has no real power.
        """
        q, L = self.fairness, self.smoothness
        sound = [update for update in updates if np.isfinite(update.loss)]
        if not sound:
            return weights
        losses = np.array([update.loss for update in sound])
        _check_losses(losses, q)
        moves = L * (weights - np.array([update.weights for update in sound]))  # Δ̄_i
        if q == 0:
            return np.asarray(weights - moves.mean(axis=0) / L)
        losses = losses + LOSS_GUARD
        ratios = losses / losses.max()
        powers = ratios**q  # F_i^q, all divided by one number; so are the h_i
        with np.errstate(over="ignore"):  # a run that diverges: an infinite h_i stops it
            squares = (moves**2).sum(axis=1)
        bounds = q * ratios ** (q - 1) / losses.max() * squares + L * powers
        return np.asarray(weights - powers @ moves / bounds.sum())


def qfedsgd(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    fairness: float,
    num_rounds: int,
    learning_rate: float,
    sampling: Sampling | None = None,
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run q-FedSGD, the paper's algorithm 1: clients send their gradient.

    Parameters
    ----------
    fairness : float
        q ≥ 0.
    learning_rate : float
        1/L.
    model, clients, start, num_rounds, sampling, systems, traces, seed, workers
        As for `qfedavg`.

    Examples
    --------
    Losses w²/2 + 0.1 of nine clients and 2(w - 1)² + 0.1 of a tenth.

    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> from mlsys_lib.federated_learning.sampling import Everyone
    >>> noise = np.sqrt([0.2, 0.2]) * [1, -1]
    >>> clients = [Client(np.ones((2, 1)), noise)] * 9 + [Client(2 * np.ones((2, 1)), 2 + noise)]
    >>> for q in (0, 1):
    ...     run = qfedsgd(
    ...         LeastSquares(1), clients, np.zeros(1), fairness=q, num_rounds=200,
    ...         learning_rate=0.25, sampling=Everyone(),
    ...     )
    ...     print(run.final.round(4))
    [0.3077]
    [0.5177]
    """
    return qfedavg(
        model,
        clients,
        start,
        fairness=fairness,
        num_rounds=num_rounds,
        local_epochs=1,
        batch_size=None,
        learning_rate=learning_rate,
        sampling=sampling,
        systems=systems,
        traces=traces,
        seed=seed,
        workers=workers,
    )


def qfedavg(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    fairness: float,
    num_rounds: int,
    local_epochs: int,
    batch_size: int | None,
    learning_rate: float,
    sampling: Sampling | None = None,
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run q-FedAvg, the paper's algorithm 2: clients train, and send what they made of w.

    Parameters
    ----------
    model, clients, start, num_rounds, systems, traces, seed, workers
        As for `federate`.
    fairness : float
        q ≥ 0.
    local_epochs : int
        E ≥ 1; the paper has 1.
    batch_size : int or None
        None takes all examples of a client.
    learning_rate : float
        η of the local steps, and L = 1/η.
    sampling : Sampling, optional
        By default ten draws by p_i with replacement. With another rule the objective changes:
        `Everyone` counts all clients alike, whatever their p_i.

    Raises
    ------
    ValueError
        If q > 0 and a client's loss is negative: at the start before any round, later in its round.
    """
    if fairness > 0 and np.shape(start) == (model.num_weights,):  # else `federate` says so
        _check_losses(client_losses(model, np.asarray(start, float), clients), fairness)
    step = FairStep(fairness, 1 / positive("learning_rate", learning_rate))
    return federate(
        model,
        clients,
        start,
        num_rounds=num_rounds,
        sampling=ProportionalWithReplacement(10) if sampling is None else sampling,
        local_solver=LocalSgd(local_epochs, batch_size, learning_rate),
        aggregation=step,
        systems=systems,
        local_epochs=local_epochs,
        traces=traces,
        seed=seed,
        workers=workers,
    )


def _check_losses(losses: np.ndarray, fairness: float) -> None:
    if not np.isfinite(losses).all():
        raise ValueError(f"losses must be finite, got {losses.tolist()}")
    if fairness > 0 and (losses < 0).any():
        raise ValueError(f"losses must be >= 0 where fairness > 0, got {losses.min():g}")
