"""FedSGD: one full gradient of each sampled client, and one step of the server.

    w_{t+1} = w_t - η Σ_{i in S_t} n_i ∇f_i(w_t) / Σ_{i in S_t} n_i

McMahan et al., AISTATS 2017, arXiv:1602.05629, section 2. Like the paper we run it as FedAvg with
E = 1 and full batches: to take a step and average the weights is to average the gradients and take
the step. With C = 1 it is gradient descent on all the data.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.local import LearningRate
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.rounds import History, Traces
from mlsys_lib.federated_learning.systems import Systems
from mlsys_lib.federated_learning.workers import RankWorkers


def fedsgd(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    num_rounds: int,
    learning_rate: LearningRate,
    client_fraction: float = 1.0,
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run T rounds of federated gradient descent.

    Parameters
    ----------
    model, clients, start, num_rounds, systems, traces, seed, workers
        See `federate`.
    learning_rate : float, or callable of the round
        η.
    client_fraction : float
        C in (0, 1].

    Examples
    --------
    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> clients = [Client(np.ones((n, 1)), np.full(n, y)) for n, y in ((3, 0.0), (1, 1.0))]
    >>> fedsgd(LeastSquares(1), clients, np.zeros(1), num_rounds=60, learning_rate=0.5).final
    array([0.25])
    """
    return fedavg(
        model,
        clients,
        start,
        num_rounds=num_rounds,
        local_epochs=1,
        batch_size=None,
        learning_rate=learning_rate,
        client_fraction=client_fraction,
        systems=systems,
        traces=traces,
        seed=seed,
        workers=workers,
    )
