"""Server optimizers: the mean move of the clients is taken for a gradient (FedAvgM, FedAdam …).

Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar & McMahan, "Adaptive federated optimization",
ICLR 2021, arXiv:2003.00295, algorithm 2. With Δ the mean of w_i - w over the sampled clients,

    u ← δ₁ u + (1 - δ₁) Δ
    v ← v + Δ²                                   (FedAdagrad)
    v ← v - (1 - δ₂) Δ² sign(v - Δ²)             (FedYogi)
    v ← δ₂ v + (1 - δ₂) Δ²                       (FedAdam)
    w ← w + η_s u / (√v + ε₀)

The paper writes m, v, β₁, β₂, η and τ for u, v, δ₁, δ₂, η_s and ε₀. There is *no* correction of the
averages' start, which Adam has; instead v starts at ε₀², not at 0. Δ points downhill, hence the
plus. FedAvgM is Hsu, Qi & Brown, "Measuring the effects of non-identical data distribution for
federated visual classification", 2019, arXiv:1909.06335: u ← δ₁ u + Δ, w ← w + η_s u.

How ours differs. Any of `aggregation`'s means gives Δ. The default is by examples, like FedAvg's;
algorithm 2 counts clients alike, which is `PlainMean`.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from mlsys_lib.core.validate import non_negative, one_of, positive
from mlsys_lib.federated_learning.aggregation import Aggregation, MeanByExamples, Update
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import LearningRate, LocalSgd
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.rounds import History, Traces, federate
from mlsys_lib.federated_learning.sampling import UniformWithoutReplacement
from mlsys_lib.federated_learning.systems import Systems
from mlsys_lib.federated_learning.workers import RankWorkers
from mlsys_lib.optimizers.ranges import fraction, two_fractions

ServerRule = Literal["adagrad", "yogi", "adam"]
RULES = ("adagrad", "yogi", "adam")


class ServerMomentum:
    """FedAvgM's server.

    Parameters
    ----------
    learning_rate : float
        η_s > 0.
    momentum : float
        δ₁ in [0, 1). With 0 and η_s = 1 this is FedAvg.
    mean : Aggregation
        What Δ is made with.
    """

    def __init__(
        self, learning_rate: float = 1.0, momentum: float = 0.9, mean: Aggregation | None = None
    ) -> None:
        self.learning_rate = positive("server_learning_rate", learning_rate)
        self.momentum = fraction("momentum", momentum)
        self._mean = MeanByExamples() if mean is None else mean
        self.first_moment: np.ndarray | float = 0.0

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return the next weights, and remember u."""
        move = self._mean(weights, updates, client_weights) - weights
        self.first_moment = self.momentum * self.first_moment + move
        return np.asarray(weights + self.learning_rate * self.first_moment)


class AdaptiveServer:
    """The server of FedAdagrad, FedYogi and FedAdam.

    Parameters
    ----------
    rule : {"adagrad", "yogi", "adam"}
        How v is renewed.
    learning_rate : float
        η_s > 0: about how far a coordinate moves in a round.
    decays : tuple of two floats
        (δ₁, δ₂) in [0, 1). FedAdagrad reads the first only, and with 0 is AdaGrad.
    eps : float
        ε₀ > 0, the adaptivity: where Δ is far below it in size, steps shrink with Δ.
    initial_accumulator : float, optional
        v before the first round, ≥ 0; by default ε₀², the least that the paper allows.
    mean : Aggregation
        What Δ is made with.

    Notes
    -----
    State: two arrays of the model's size, on the server only. Messages are FedAvg's.

    Examples
    --------
    >>> server = AdaptiveServer("adam", learning_rate=0.1, decays=(0.0, 0.0), eps=1e-3)
    >>> update = Update(0, np.array([5.0, -0.001]), num_examples=1, num_steps=1, loss=1.0)
    >>> server(np.zeros(2), [update], np.ones(1)).round(3).tolist()
    [0.1, -0.05]
    """

    def __init__(
        self,
        rule: ServerRule,
        *,
        learning_rate: float,
        decays: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-3,
        initial_accumulator: float | None = None,
        mean: Aggregation | None = None,
    ) -> None:
        self.rule = one_of("rule", rule, RULES)
        self.learning_rate = positive("server_learning_rate", learning_rate)
        self.decays = two_fractions("decays", decays)
        self.eps = positive("eps", eps)
        first = self.eps**2 if initial_accumulator is None else initial_accumulator
        self._mean = MeanByExamples() if mean is None else mean
        self.first_moment: np.ndarray | float = 0.0
        self.second_moment: np.ndarray | float = non_negative("initial_accumulator", first)

    def __call__(
        self, weights: np.ndarray, updates: Sequence[Update], client_weights: np.ndarray
    ) -> np.ndarray:
        """Return the next weights, and remember u and v."""
        move = self._mean(weights, updates, client_weights) - weights
        keep = self.decays[0]
        self.first_moment = keep * self.first_moment + (1 - keep) * move
        self.second_moment = self._renewed(self.second_moment, move**2)
        step = self.first_moment / (np.sqrt(self.second_moment) + self.eps)
        return np.asarray(weights + self.learning_rate * step)

    def _renewed(self, v: np.ndarray | float, squares: np.ndarray) -> np.ndarray:
        keep = self.decays[1]
        if self.rule == "adagrad":
            return np.asarray(v + squares)
        if self.rule == "yogi":
            return np.asarray(v - (1 - keep) * squares * np.sign(v - squares))
        return np.asarray(keep * v + (1 - keep) * squares)


def fedavgm(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    num_rounds: int,
    local_epochs: int,
    batch_size: int | None,
    learning_rate: LearningRate,
    server_learning_rate: float = 1.0,
    momentum: float = 0.9,
    client_fraction: float = 1.0,
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run FedAvg with momentum on the server.

    Parameters
    ----------
    server_learning_rate, momentum : float
        η_s and δ₁, of `ServerMomentum`.
    model, clients, start, num_rounds, local_epochs, batch_size, learning_rate, client_fraction
        As for `fedavg`; so are the rest.
    """
    return federate(
        model,
        clients,
        start,
        num_rounds=num_rounds,
        sampling=UniformWithoutReplacement(client_fraction),
        local_solver=LocalSgd(local_epochs, batch_size, learning_rate),
        aggregation=ServerMomentum(server_learning_rate, momentum),
        systems=systems,
        local_epochs=local_epochs,
        traces=traces,
        seed=seed,
        workers=workers,
    )


def fedopt(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    rule: ServerRule,
    *,
    num_rounds: int,
    local_epochs: int,
    batch_size: int | None,
    learning_rate: LearningRate,
    server_learning_rate: float,
    decays: tuple[float, float] = (0.9, 0.99),
    eps: float = 1e-3,
    client_fraction: float = 1.0,
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
    workers: RankWorkers | None = None,
) -> History:
    """Run FedAdagrad, FedYogi or FedAdam.

    Parameters
    ----------
    rule : {"adagrad", "yogi", "adam"}
    server_learning_rate, decays, eps
        η_s, (δ₁, δ₂) and ε₀, of `AdaptiveServer`.
    model, clients, start, num_rounds, local_epochs, batch_size, learning_rate, client_fraction
        As for `fedavg`; so are the rest.

    Examples
    --------
    Two clients, w²/2 and (w - 2)²/2; the minimum of their mean is 1.

    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> x = np.ones((1, 1))
    >>> history = fedopt(
    ...     LeastSquares(1), [Client(x, np.zeros(1)), Client(x, np.full(1, 2.0))], np.zeros(1),
    ...     "yogi", num_rounds=100, local_epochs=1, batch_size=None, learning_rate=0.1,
    ...     server_learning_rate=0.1,
    ... )
    >>> history.final.round(1)
    array([1.])
    """
    return federate(
        model,
        clients,
        start,
        num_rounds=num_rounds,
        sampling=UniformWithoutReplacement(client_fraction),
        local_solver=LocalSgd(local_epochs, batch_size, learning_rate),
        aggregation=AdaptiveServer(
            rule, learning_rate=server_learning_rate, decays=decays, eps=eps
        ),
        systems=systems,
        local_epochs=local_epochs,
        traces=traces,
        seed=seed,
        workers=workers,
    )
