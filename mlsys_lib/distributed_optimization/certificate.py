"""How far from the minimum, for certain: the duality gap of a run over all ranks' examples."""

from dataclasses import dataclass, field

import numpy as np

from mlsys_lib.comm import Communicator
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.outcome import Rounds
from mlsys_lib.distributed_optimization.shards import Shard


@dataclass(frozen=True)
class Dual(Rounds):
    """Weights round by round, with what certifies them.

    Attributes
    ----------
    primal, dual_values : tuple of float
        f(w) and dual(ζ) before the first round and after each; the same on every rank.
    dual : ndarray of shape (n_i,)
        This rank's ζ at the end.
    thetas : tuple of float
        Share of its own problem's error that this rank left in each round: an upper bound, from
        the local gap. NaN if there was none left to remove.
    """

    primal: tuple[float, ...] = ()
    dual_values: tuple[float, ...] = ()
    dual: np.ndarray = field(default_factory=lambda: np.zeros(0))
    thetas: tuple[float, ...] = ()

    @property
    def gaps(self) -> np.ndarray:
        """Return f - dual of each moment: f(w) - f* is at most that."""
        return np.subtract(self.primal, self.dual_values)


def loss_sums(shard: Shard, loss: Loss, weights: np.ndarray, dual: np.ndarray) -> np.ndarray:
    """Return this rank's sums of losses and of dual values, of shape (2,)."""
    losses = loss.value(shard.X @ weights, shard.y).sum()
    return np.array([losses, loss.dual_value(dual, shard.y).sum()])


class Trace:
    """What a run notes on the way."""

    def __init__(self, comm: Communicator, shard: Shard, penalty: float) -> None:
        self._comm, self._n, self._penalty = comm, shard.num_examples, penalty
        self._history: list[np.ndarray] = []
        self._times: list[float] = []
        self._thetas: list[float] = []
        self._values: list[tuple[float, float]] = []

    def note(self, weights: np.ndarray, left: float | None = None) -> None:
        """Note the weights and the time, and what share of its error a local solver left."""
        self._history.append(weights)
        self._times.append(self._comm.now_s())
        if left is not None:
            self._thetas.append(left)

    def certify(self, weights: np.ndarray, sums: np.ndarray) -> float:
        """Note f(w) and dual(ζ), of sums over all ranks' examples; return their gap."""
        losses, values = sums / self._n
        bowl = self._penalty / 2 * float(weights @ weights)
        self._values.append((float(losses) + bowl, float(values) - bowl))
        return self._values[-1][0] - self._values[-1][1]

    def outcome(self, dual: np.ndarray, diverged_at: int | None = None) -> Dual:
        """Return all that was noted."""
        primal, dual_values = zip(*self._values, strict=True)
        return Dual(
            np.array(self._history),
            tuple(self._times),
            diverged_at,
            primal,
            dual_values,
            dual,
            tuple(self._thetas),
        )
