"""SCAFFOLD: local steps corrected by how a client's gradient differs from everybody's.

Karimireddy, Kale, Mohri, Reddi, Stich & Suresh, "SCAFFOLD: stochastic controlled averaging for
federated learning", ICML 2020, arXiv:1910.06378, algorithm 1 with option II. Client i keeps a
control c_i, an estimate of its own gradient; the server keeps their mean c. The K local steps are

    y ← y - η (g_i(y) - c_i + c),    then  c_i⁺ = c_i - c + (w - y)/(K η),

and the server adds the mean of y - w, times its own rate, and the mean over *all* clients of
c_i⁺ - c_i, which is zero for those that were not sampled. FedAvg drifts towards the clients' own
minima and ends beside the common one; here all steps vanish at the common minimum.

The price: messages of two vectors in both directions, and a memory on each client.

How ours differs. The paper weighs clients alike; ours by p_i, which is the same for equal n_i. A
client whose numbers overflow keeps its old control.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import positive
from mlsys_lib.federated_learning.aggregation import Update
from mlsys_lib.federated_learning.clients import Client, check_finite
from mlsys_lib.federated_learning.local import ClientState, LearningRate, LocalSgd
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.rounds import History, Traces, federate
from mlsys_lib.federated_learning.sampling import UniformWithoutReplacement
from mlsys_lib.federated_learning.systems import Systems
from mlsys_lib.federated_learning.workers import RankWorkers


def scaffold(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    num_rounds: int,
    local_epochs: int,
    batch_size: int | None,
    learning_rate: LearningRate,
    server_learning_rate: float = 1.0,
    client_fraction: float = 1.0,
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run SCAFFOLD.

    Parameters
    ----------
    model, clients, start, num_rounds, systems, traces, seed, workers
        As for `federate`.
    local_epochs : int
        E ≥ 1.
    batch_size : int or None
        None takes all examples of a client.
    learning_rate : float or callable
        η of the local steps, or η of each round.
    server_learning_rate : float
        η_g > 0. 1 takes the mean of the clients' weights.
    client_fraction : float
        C in (0, 1], drawn uniformly without replacement.

    Notes
    -----
    A round moves 4 k numbers for each sampled client, twice as many as FedAvg. A client that was
    not sampled before starts with c_i = 0.

    Examples
    --------
    Two clients, w²/2 and 5 (w - 1)², whose sum is least at 10/11. FedAvg with 20 local steps ends
    at 0.609.

    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> slope = np.sqrt([[10.0]])
    >>> clients = [Client(np.ones((1, 1)), np.zeros(1)), Client(slope, slope[0])]
    >>> history = scaffold(
    ...     LeastSquares(1), clients, np.zeros(1), num_rounds=200,
    ...     local_epochs=20, batch_size=None, learning_rate=0.05,
    ... )
    >>> history.final.round(6).tolist(), int(history.up_bytes[0])
    ([0.909091], 32)
    """
    server = ControlledMean(np.zeros(model.num_weights), server_learning_rate)
    return federate(
        model,
        clients,
        start,
        num_rounds=num_rounds,
        sampling=UniformWithoutReplacement(client_fraction),
        local_solver=ControlledSgd(LocalSgd(local_epochs, batch_size, learning_rate)),
        aggregation=server,
        server_control=lambda: server.control,
        systems=systems,
        local_epochs=local_epochs,
        traces=traces,
        seed=seed,
        workers=workers,
    )


@dataclass(frozen=True)
class ControlledSgd:
    """A client's work: `sgd` on gradients with c - c_i added, and its new control.

    Attributes
    ----------
    sgd : LocalSgd
    """

    sgd: LocalSgd

    def __call__(
        self,
        model: Model,
        client: Client,
        weights: np.ndarray,
        rng: np.random.Generator,
        work: float,
        state: ClientState,
    ) -> tuple[np.ndarray, int]:
        """Return y and K; c_i⁺ - c_i is `state.sent_control`, and c_i⁺ is remembered."""
        common = state.server_control
        if common is None:
            raise ValueError("server_control must be sent with the weights, got none")
        own = state.memory.get("control", np.zeros_like(weights))
        local, num_steps = self.sgd(
            _Corrected(model, common - own), client, weights, rng, work, state
        )
        change = (weights - local) / (num_steps * self.sgd.rate(state.round)) - common
        check_finite("control", change)
        state.memory["control"] = own + change
        state.sent_control = change
        return local, num_steps


class ControlledMean:
    """The server: a mean of weights, and c.

    Parameters
    ----------
    control : ndarray of shape (k,)
        c before the first round. Not modified.
    learning_rate : float
        η_g > 0.

    Attributes
    ----------
    control : ndarray of shape (k,)
        c, which is Σ p_i c_i over all clients.
    """

    def __init__(self, control: np.ndarray, learning_rate: float = 1.0) -> None:
        self.control = control
        self.learning_rate = positive("server_learning_rate", learning_rate)

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return w + η_g times the mean of the moves, and renew c.

        Raises
        ------
        ValueError
            If a client is in the round twice, as its c_i changed once; or if a control is missing.
        """
        chosen = [update.client for update in updates]
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"updates must be of different clients, got {chosen}")
        shares = client_weights[chosen]
        controls = [update.control for update in updates]
        if any(control is None for control in controls):
            raise ValueError("each update must have a control, one has none")
        self.control = self.control + shares @ np.array(controls, dtype=float)
        moves = np.array([update.weights for update in updates]) - weights
        return np.asarray(weights + self.learning_rate * (shares @ moves) / shares.sum())


@dataclass(frozen=True)
class _Corrected:
    """A model whose gradient has a constant vector added."""

    model: Model
    shift: np.ndarray

    @property
    def num_weights(self) -> int:
        return self.model.num_weights

    def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        return self.model.loss(weights, X, y) + float(self.shift @ weights)

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.gradient(weights, X, y) + self.shift)

    def predict(self, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
        return self.model.predict(weights, X)
