"""Ditto: each client has a model of its own, held near the one that all share.

Li, Hu, Beirami & Smith, "Ditto: fair and robust federated learning through personalization", ICML
2021, arXiv:2012.04221:

    min over v_i:  F_i(v_i) + λ/2 ‖v_i - w*‖²,    w* = what FedAvg finds

λ = 0 leaves each client alone, λ → ∞ gives all of them the shared model. Neither v_i nor anything
of it is sent: messages are FedAvg's.

`ditto` is the paper's algorithm 1: a sampled client trains w as in FedAvg, and on the way takes as
many steps on its own v_i, near the w that it received. `personal_model` solves the problem of one
client exactly, for a given w.

How ours differs. The released code takes the steps of both models in turn, on the same batches;
ours first those of w, then those of v_i, on batches of their own. w does not depend on v_i.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlsys_lib.core.validate import non_negative, positive, positive_int
from mlsys_lib.federated_learning.aggregation import MeanByExamples
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import ClientState, LearningRate, LocalSgd
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.rounds import History, Traces, federate
from mlsys_lib.federated_learning.sampling import UniformWithoutReplacement
from mlsys_lib.federated_learning.systems import Systems

MEMORY = 10
"""Pairs of steps and gradient changes from which `personal_model` guesses the curvature."""
MOST_HALVINGS = 60
"""Of a step: then it is no longer seen beside the weights."""


@dataclass(frozen=True, eq=False)
class Personalized:
    """What Ditto found.

    Attributes
    ----------
    history : History
        Of the shared model.
    personal : ndarray of shape (m, k)
        v_i; the start for a client that never took part.
    """

    history: History
    personal: np.ndarray


def ditto(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    proximal_weight: float,
    num_rounds: int,
    local_epochs: int,
    batch_size: int | None,
    learning_rate: LearningRate,
    client_fraction: float = 1.0,
    systems: Systems | None = None,
    traces: Traces | None = None,
    seed: int = 0,
) -> Personalized:
    """Run FedAvg, and a model of its own on each client beside it.

    Parameters
    ----------
    proximal_weight : float
        λ ≥ 0. With a step of η, ηλ must stay below 2, or v_i runs away from w.
    model, clients, start, num_rounds, local_epochs, batch_size, learning_rate, client_fraction
        As for `fedavg`; so are the rest. All v_i start there too.

    Examples
    --------
    Two clients, w²/2 and (w - 2)²/2, share w = 1. With λ = 1 each goes half of its way.

    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> x = np.ones((1, 1))
    >>> found = ditto(
    ...     LeastSquares(1), [Client(x, np.zeros(1)), Client(x, np.full(1, 2.0))], np.zeros(1),
    ...     proximal_weight=1.0, num_rounds=100, local_epochs=1, batch_size=None,
    ...     learning_rate=0.3,
    ... )
    >>> found.history.final.round(6).tolist(), found.personal[:, 0].round(6).tolist()
    ([1.0], [0.5, 1.5])
    """
    apart = [Client(client.X, client.y) for client in clients]  # one may be listed twice
    first = np.array(start, dtype=float)
    solver = DittoSgd(LocalSgd(local_epochs, batch_size, learning_rate), proximal_weight, first)
    history = federate(
        model,
        apart,
        first,
        num_rounds=num_rounds,
        sampling=UniformWithoutReplacement(client_fraction),
        local_solver=solver,
        aggregation=MeanByExamples(),
        systems=systems,
        local_epochs=local_epochs,
        traces=traces,
        seed=seed,
    )
    return Personalized(history, np.array([solver.personal.get(c, first) for c in apart]))


@dataclass(frozen=True, eq=False)
class DittoSgd:
    """A client's work: `sgd` on the shared weights, and as much on its own.

    Attributes
    ----------
    sgd : LocalSgd
    proximal_weight : float
        λ ≥ 0.
    start : ndarray of shape (k,)
        Where each v_i starts.
    personal : dict of Client to ndarray of shape (k,)
        v_i of each client that took part.
    """

    sgd: LocalSgd
    proximal_weight: float
    start: np.ndarray
    personal: dict[Client, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        non_negative("proximal_weight", self.proximal_weight)

    def __call__(
        self,
        model: Model,
        client: Client,
        weights: np.ndarray,
        rng: np.random.Generator,
        work: float,
        state: ClientState,
    ) -> tuple[np.ndarray, int]:
        """Return w_i and its steps; v_i is remembered."""
        shared, num_steps = self.sgd(model, client, weights, rng, work, state)
        near = Near(model, weights, self.proximal_weight)
        before = self.personal.get(client, self.start)
        own, _ = self.sgd(near, client, before, rng, work, state)
        if not np.isfinite(own).all():
            raise ValueError("personal weights must be finite, they are not")
        self.personal[client] = own
        return shared, num_steps


@dataclass(frozen=True)
class Near:
    """A model with the term λ/2 ‖v - center‖² added to its loss."""

    model: Model
    center: np.ndarray
    proximal_weight: float

    @property
    def num_weights(self) -> int:
        """Return k."""
        return self.model.num_weights

    def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        """Return the mean loss and the term."""
        apart = weights - self.center
        return self.model.loss(weights, X, y) + self.proximal_weight / 2 * float(apart @ apart)

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the gradient of both."""
        apart = weights - self.center
        return np.asarray(self.model.gradient(weights, X, y) + self.proximal_weight * apart)

    def predict(self, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return the model's prediction."""
        return self.model.predict(weights, X)


def personal_model(
    model: Model,
    client: Client,
    center: np.ndarray,
    proximal_weight: float,
    *,
    tolerance: float = 1e-8,
    max_steps: int = 10_000,
) -> np.ndarray:
    """Return the v that minimises F_i(v) + λ/2 ‖v - center‖².

    By L-BFGS (Nocedal & Wright, "Numerical optimization", 2nd edition 2006, algorithm 7.5), from
    the center, halving a step until the loss falls enough.

    Parameters
    ----------
    model : Model
        With convex, smooth losses.
    client : Client
    center : ndarray of shape (k,)
        Not modified.
    proximal_weight : float
        λ ≥ 0.
    tolerance : float
        Largest size of the gradient at the end.
    max_steps : int

    Returns
    -------
    ndarray of shape (k,)

    Raises
    ------
    ValueError
        If `max_steps` do not suffice. There may be no minimum, as for softmax regression without
        a penalty on classes that a plane separates; or numbers are so large that gradients are
        not computed to the tolerance.
    """
    near = Near(model, center, non_negative("proximal_weight", proximal_weight))
    positive("tolerance", tolerance)
    weights = np.array(center, dtype=float)
    gradient = near.gradient(weights, client.X, client.y)
    pairs: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=MEMORY)
    num_left = positive_int("max_steps", max_steps)
    while not np.linalg.norm(gradient) <= tolerance:  # nan is not small either
        if not num_left:
            raise ValueError(
                f"max_steps must suffice for a gradient of {tolerance:g}, got {max_steps}: "
                f"it is still {np.linalg.norm(gradient):.3g}"
            )
        num_left -= 1
        moved = _descended(near, client, weights, gradient, _direction(gradient, pairs))
        after = near.gradient(moved, client.X, client.y)
        step, change = moved - weights, after - gradient
        if step @ change > 0:  # rounding can make it 0
            pairs.append((step, change))
        weights, gradient = moved, after
    return weights


def _direction(gradient: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return -H⁻¹g for the curvature H that the pairs show, by L-BFGS's two loops."""
    direction, shares = -gradient, []
    for step, change in reversed(pairs):
        share = (step @ direction) / (step @ change)
        direction = direction - share * change
        shares.append(share)
    if pairs:
        step, change = pairs[-1]
        direction = direction * ((step @ change) / (change @ change))
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        direction = direction + (share - (change @ direction) / (step @ change)) * step
    return np.asarray(direction)


def _descended(
    model: Model, client: Client, weights: np.ndarray, gradient: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """Return where 1, ½, ¼ … of the direction lowers the loss enough.

    Where two losses differ by rounding only, the slope must have fallen instead: Hager & Zhang, "A
    new conjugate gradient method with guaranteed descent and an efficient line search", SIAM J.
    Optim. 16, 2005.
    """
    loss, slope = model.loss(weights, client.X, client.y), float(gradient @ direction)
    for halvings in range(MOST_HALVINGS):
        moved = weights + direction / 2**halvings
        new = model.loss(moved, client.X, client.y)
        if new <= loss + 0.1 * slope / 2**halvings:
            break
        if new <= loss + 1e-12 * abs(loss):
            if model.gradient(moved, client.X, client.y) @ direction <= 0.8 * abs(slope):
                break
    return np.asarray(moved)
