"""What a method of descent returns, and the notebook in which it writes it down.

>>> from mlsys_lib.distributed_optimization.worst_cases import quadratic
>>> bowl = quadratic(condition_number=4)
>>> trace = Trace(bowl, bowl.start, num_steps=2)
>>> trace.add(bowl.start / 2), trace.add(np.array([np.nan, 0.0]))
(True, False)
>>> trace.descent().values.round(6).tolist(), trace.descent().diverged_at
([0.5, 0.125], 2)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer, positive_int
from mlsys_lib.distributed_optimization.objective import ConvexFunction


@dataclass(frozen=True)
class Descent:
    """Iterates w_0 … w_T of a method, and f along the way.

    Attributes
    ----------
    weights : ndarray of shape (k,)
        The last iterate; after divergence, the last one at which w and f are finite.
    average : ndarray of shape (k,)
        The mean of w_0 … w_{T-1}, the points where gradients were taken (w_0 if T = 0). Equal
        weights, unless the method says otherwise.
    best : ndarray of shape (k,)
        The iterate of the least recorded value, the earliest of them.
    steps, values : ndarray of shape (num_records,)
        At which iterates f was recorded, rising from 0, and what it was.
    iterates : ndarray of shape (T + 1, k), or None
        All of them, if they were asked for.
    diverged_at : int or None
        The t of the first iterate at which w or f is not finite.
    """

    weights: np.ndarray
    average: np.ndarray
    best: np.ndarray
    steps: np.ndarray
    values: np.ndarray
    iterates: np.ndarray | None
    diverged_at: int | None

    @property
    def diverged(self) -> bool:
        """Whether it stopped before its last step."""
        return self.diverged_at is not None


def equal_weight(step: int) -> float:
    """Return 1: the plain average."""
    return 1.0


class Trace:
    """Collects iterates one by one, and notices the first that is not finite.

    Parameters
    ----------
    objective : ConvexFunction
    start : ndarray of shape (k,)
        Copied.
    num_steps : int
        T >= 0.
    record_every : int
        f is computed at every so many iterates, and at the last.
    keep_iterates : bool
    averaging : callable
        averaging(t) is the weight of w_t in the average.

    Raises
    ------
    ValueError
        If the start has the wrong shape, or it or f at it is not finite.
    """

    def __init__(
        self,
        objective: ConvexFunction,
        start: np.ndarray,
        num_steps: int,
        *,
        record_every: int = 1,
        keep_iterates: bool = False,
        averaging: Callable[[int], float] = equal_weight,
    ) -> None:
        self.num_steps = integer("num_steps", num_steps, 0)
        self.record_every = positive_int("record_every", record_every)
        self.weights = np.array(start, np.float64)
        if self.weights.shape != (objective.num_features,):
            raise ValueError(
                f"start must have shape ({objective.num_features},), got {self.weights.shape}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            value = objective.value(self.weights)
        if not (np.isfinite(self.weights).all() and np.isfinite(value)):
            raise ValueError(f"start must be finite and have a finite value, got {self.weights}")
        self._objective = objective
        self._averaging = averaging
        self._best, self._best_value = self.weights, value
        self._steps, self._values = [0], [value]
        self._iterates = [self.weights] if keep_iterates else None
        self._sum, self._weight = np.zeros_like(self.weights), 0.0
        self._step = 0
        self._diverged_at: int | None = None

    def add(self, weights: np.ndarray) -> bool:
        """Take the next iterate, or return False if it cannot be used."""
        step = self._step + 1
        due = step % self.record_every == 0 or step == self.num_steps
        finite = bool(np.isfinite(weights).all())
        value = self._objective.value(weights) if due and finite else 0.0
        if not (finite and np.isfinite(value)):
            self._diverged_at = step
            return False
        if due:
            self._record(step, weights, value)
        if self._iterates is not None:
            self._iterates.append(weights)
        share = self._averaging(self._step)  # of the iterate that is left behind
        self._sum += share * self.weights
        self._weight += share
        self._step, self.weights = step, weights
        return True

    def descent(self) -> Descent:
        """Return what was collected."""
        return Descent(
            weights=self.weights.copy(),
            average=self._sum / self._weight if self._weight else self.weights.copy(),
            best=self._best.copy(),
            steps=np.array(self._steps),
            values=np.array(self._values),
            iterates=None if self._iterates is None else np.array(self._iterates),
            diverged_at=self._diverged_at,
        )

    def _record(self, step: int, weights: np.ndarray, value: float) -> None:
        self._steps.append(step)
        self._values.append(value)
        if value < self._best_value:
            self._best, self._best_value = weights, value


def run(trace: Trace, move: Callable[[int, np.ndarray], np.ndarray]) -> Descent:
    """Go from w_t to move(t, w_t) until the last step, or until the iterates are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):  # the trace tells of it
        for step in range(trace.num_steps):
            if not trace.add(move(step, trace.weights)):
                break
    return trace.descent()
