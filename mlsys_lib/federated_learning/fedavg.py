"""FedAvg: E epochs on each sampled client, then the mean of their weights by examples.

    w_{t+1} = Σ_{i in S_t} n_i w_i / Σ_{i in S_t} n_i

McMahan, Moore, Ramage, Hampson & Agüera y Arcas, "Communication-efficient learning of deep networks
from decentralized data", AISTATS 2017, arXiv:1602.05629, algorithm 1. Ours has a seed, a rule for
clients that fail, and the stragglers of FedProx, which it drops.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.federated_learning.aggregation import MeanByExamples
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import LearningRate, LocalSgd
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.rounds import History, Traces, federate
from mlsys_lib.federated_learning.sampling import UniformWithoutReplacement
from mlsys_lib.federated_learning.systems import Systems
from mlsys_lib.federated_learning.workers import RankWorkers


def fedavg(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    num_rounds: int,
    local_epochs: int,
    batch_size: int | None,
    learning_rate: LearningRate,
    client_fraction: float = 1.0,
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run T rounds of federated averaging.

    Parameters
    ----------
    model, clients, start, num_rounds, traces, seed, workers
        See `federate`.
    local_epochs : int
        E.
    batch_size : int or None
        b_i, the paper's B; None for all of a client's examples, the paper's ∞.
    learning_rate : float, or callable of the round
        η.
    client_fraction : float
        C in (0, 1]; the paper's C = 0, a single client, is a fraction below 1 / m here.
    systems : Systems, optional
        Give stragglers the rule "drop" for what the FedProx paper compares itself with.

    Returns
    -------
    History
        With E > 1 or more than one batch, unlike clients and a constant η the weights do not tend
        to the minimum of f; see `fixed_points`.

    Notes
    -----
    A round costs 2 C m k numbers on the network and E Σ n_i gradients of single examples.

    Examples
    --------
    >>> from mlsys_lib.federated_learning.model import SoftmaxRegression
    >>> from mlsys_lib.federated_learning.objective import federated_loss
    >>> from mlsys_lib.federated_learning.synthetic import synthetic
    >>> clients, model = synthetic(0, 0, log_size_std=0.5).train, SoftmaxRegression(60, 10)
    >>> history = fedavg(
    ...     model, clients, np.zeros(610), num_rounds=5, local_epochs=2, batch_size=10,
    ...     learning_rate=0.03, traces={"loss": lambda w: federated_loss(model, w, clients)},
    ... )
    >>> bool(history.traces["loss"][-1] < 0.8 * history.traces["loss"][0])
    True
    """
    return federate(
        model,
        clients,
        start,
        num_rounds=num_rounds,
        sampling=UniformWithoutReplacement(client_fraction),
        local_solver=LocalSgd(local_epochs, batch_size, learning_rate),
        aggregation=MeanByExamples(),
        systems=systems,
        local_epochs=local_epochs,
        traces=traces,
        seed=seed,
        workers=workers,
    )
