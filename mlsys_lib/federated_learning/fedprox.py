"""FedProx: each client minimises its loss plus a term that holds it near the server's weights.

    w_i ≈ argmin_w f_i(w) + λ/2 ‖w - w_t‖²

Li, Sahu, Zaheer, Sanjabi, Talwalkar & Smith, "Federated optimization in heterogeneous networks",
MLSys 2020, arXiv:1812.06127, algorithm 2 and equation 2; the paper writes μ for λ. A client solves
its problem as far as it gets, so that stragglers count with the work that they have done.

The paper's algorithm draws K clients by p_i with replacement and takes their plain mean. Its
released code draws uniformly without replacement and averages by examples. `scheme` has both.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import one_of
from mlsys_lib.federated_learning.aggregation import Aggregation, MeanByExamples, PlainMean
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import LearningRate, LocalSgd
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.rounds import History, Traces, federate
from mlsys_lib.federated_learning.sampling import (
    ProportionalWithReplacement,
    Sampling,
    UniformWithoutReplacement,
)
from mlsys_lib.federated_learning.systems import Systems
from mlsys_lib.federated_learning.workers import RankWorkers

SCHEMES = ("by examples", "by weight")


def fedprox(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    num_rounds: int,
    local_epochs: int,
    batch_size: int | None,
    learning_rate: LearningRate,
    proximal_weight: float,
    client_fraction: float = 1.0,
    scheme: str = "by examples",
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run T rounds of FedProx.

    Parameters
    ----------
    model, clients, start, num_rounds, traces, seed, workers
        See `federate`.
    local_epochs, batch_size, learning_rate
        Of SGD on the client's problem; see `fedavg`.
    proximal_weight : float
        λ ≥ 0, the paper's μ. With 0, and the scheme "by examples", it is FedAvg to the last bit.
    client_fraction : float
        C in (0, 1]: K = C m clients, rounded, and at least one.
    scheme : {"by examples", "by weight"}
        "by examples": uniform sampling and a mean by examples, as FedAvg and the released code;
        "by weight": K draws by p_i with replacement and a plain mean, as algorithm 2.
    systems : Systems, optional
        Give stragglers the rule "partial".

    Returns
    -------
    History
        The weights tend to a point near the minimum of f, not to it, for every λ < ∞; see
        `fixed_points`.

    Examples
    --------
    Two clients, ½ w² and ½ (w - 1)², as far apart as may be:

    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> clients = [Client(np.ones((1, 1)), np.array([y])) for y in (0.0, 1.0)]
    >>> fedprox(
    ...     LeastSquares(1), clients, np.zeros(1), num_rounds=30, local_epochs=20, batch_size=None,
    ...     learning_rate=0.2, proximal_weight=1.0,
    ... ).final.round(6)
    array([0.5])
    """
    uniform = UniformWithoutReplacement(client_fraction)
    sampling: Sampling = uniform
    aggregation: Aggregation = MeanByExamples()
    if one_of("scheme", scheme, SCHEMES) == "by weight":
        sampling = ProportionalWithReplacement(uniform.num_sampled(len(clients)))
        aggregation = PlainMean()
    return federate(
        model,
        clients,
        start,
        num_rounds=num_rounds,
        sampling=sampling,
        local_solver=LocalSgd(local_epochs, batch_size, learning_rate, proximal_weight),
        aggregation=aggregation,
        systems=systems,
        local_epochs=local_epochs,
        traces=traces,
        seed=seed,
        workers=workers,
    )
