"""ProxCoCoA: the lasso with the *features* divided over the workers.

Smith et al., "CoCoA: a general framework for communication-efficient distributed optimization",
JMLR 18, 2018, and "L1-regularized distributed optimization", 2015, arXiv:1512.04011. An L1 penalty
has no smooth dual, so CoCoA turns around: a worker holds columns and the weights that belong to
them, all share the scores v = X w of the n examples, and a round sends the change of v,

    min over Δw_i:  1/n (v - y)·X_i Δw_i + ω′/(2n) ‖X_i Δw_i‖² + λ ‖w_i + Δw_i‖₁

with the aggregation ω and the scale ω′ of `cocoa`, and the same condition: ω′ = ω m is safe.
"""

from dataclasses import dataclass

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import non_negative, positive, positive_int
from mlsys_lib.distributed_optimization.lasso import coordinate_descent, dual_of_residual
from mlsys_lib.distributed_optimization.losses import Squared
from mlsys_lib.distributed_optimization.rows import Table, column_sets
from mlsys_lib.distributed_optimization.shards import (
    checksum,
    num_entries,
    read_shard,
    refuse_differences,
    refuse_faults,
    tell,
)


@dataclass(frozen=True)
class Columns:
    """One rank's outcome.

    Attributes
    ----------
    weights : ndarray of shape (d_i,)
        Of this rank's columns.
    scores : ndarray of shape (n,)
        v = X w of all columns; the same on every rank.
    primal, dual_values : tuple of float
        f and dual before the first round and after each; the same on every rank.
    time_s : tuple of float
        This rank's clock at those moments.
    diverged_at : int or None
        The round whose result was not finite; what is told is from before it.
    """

    weights: np.ndarray
    scores: np.ndarray
    primal: tuple[float, ...]
    dual_values: tuple[float, ...]
    time_s: tuple[float, ...]
    diverged_at: int | None = None

    @property
    def gaps(self) -> np.ndarray:
        """Return f - dual of each moment."""
        return np.subtract(self.primal, self.dual_values)


def prox_cocoa(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    penalty: float,
    num_rounds: int,
    *,
    aggregation: float = 1.0,
    subproblem_scale: float | None = None,
    num_local_passes: int = 1,
    tolerance: float = 0.0,
    seed: int = 0,
    seconds_per_entry: float = 0.0,
) -> Columns:
    """Solve a lasso whose columns are divided over the ranks.

    Parameters
    ----------
    X : Table of shape (n, d_i)
        This rank's columns of all examples, maybe none.
    y : ndarray of shape (n,)
        The same on every rank.
    penalty : float
        λ > 0.
    aggregation, subproblem_scale, tolerance, seconds_per_entry
        As for `cocoa`.
    num_local_passes : int
        How often a worker goes over its columns in a round, in a new order each time.

    Returns
    -------
    Columns

    Notes
    -----
    A round is a ring all-reduce of n + 1 numbers, and one of a maximum: 1 number.
    """
    num_rounds, penalty = positive_int("num_rounds", num_rounds), positive("penalty", penalty)
    num_local_passes = positive_int("num_local_passes", num_local_passes)
    if positive("aggregation", aggregation) > 1:
        raise ValueError(f"aggregation must be in (0, 1], got {aggregation}")
    scale = aggregation * comm.world_size if subproblem_scale is None else subproblem_scale
    positive("subproblem_scale", scale)
    non_negative("tolerance", tolerance)
    settings = (penalty, num_rounds, aggregation, scale, num_local_passes, tolerance, seed)
    table, y = _join(comm, X, y, settings)
    worker = _Worker(table, scale, penalty * len(y), np.random.default_rng([seed, comm.rank]))
    trace = _Trace(comm, y, penalty)
    scores = np.zeros(len(y))
    for step in range(1, num_rounds + 1):
        steepest = trace.note(table, y - scores)
        size = np.abs(worker.weights).sum()
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is told below
            change = worker.improve(y - scores, num_local_passes)
            work = 2 * num_local_passes * num_entries(table)
            comm.compute(work * seconds_per_entry, "own columns")
            together = ring_all_reduce(comm, np.append(change, size))
            moved = scores + aggregation * together[:-1]
            gap = trace.certify(y - scores, steepest, together[-1])
            is_finite = np.isfinite(moved @ moved)
        if gap <= tolerance:
            return trace.outcome(worker.weights, scores)
        if not is_finite:
            return trace.outcome(worker.weights, scores, diverged_at=step)
        worker.keep(aggregation)
        scores = moved
    steepest = trace.note(table, y - scores)
    size = ring_all_reduce(comm, np.array([np.abs(worker.weights).sum()]))
    trace.certify(y - scores, steepest, size[0])
    return trace.outcome(worker.weights, scores)


class _Worker:
    """One rank's columns, and the weights that belong to them."""

    def __init__(self, X: Table, scale: float, threshold: float, rng: np.random.Generator) -> None:
        self._columns = list(column_sets(X))
        self._scale, self._threshold, self._rng = scale, threshold, rng
        self.weights = np.zeros(len(self._columns))
        self._improved = self.weights

    def improve(self, residual: np.ndarray, num_passes: int) -> np.ndarray:
        """Work on the own problem; return X_i Δw_i."""
        self._improved, left = self.weights.copy(), residual.copy()
        for _ in range(num_passes):
            order = self._rng.permutation(len(self._columns))
            coordinate_descent(
                self._columns, self._improved, left, self._threshold, self._scale, order
            )
        return np.asarray((residual - left) / self._scale)

    def keep(self, aggregation: float) -> None:
        """Move the weights by ω of what `improve` found."""
        self.weights = self.weights + aggregation * (self._improved - self.weights)


class _Trace:
    """What a run notes on the way."""

    def __init__(self, comm: Communicator, y: np.ndarray, penalty: float) -> None:
        self._comm, self._y, self._penalty = comm, y, penalty
        self._values: list[tuple[float, float]] = []
        self._times: list[float] = []

    def note(self, X: Table, residual: np.ndarray) -> float:
        """Note the time; return the largest |x·residual| of any rank's column x."""
        self._times.append(self._comm.now_s())
        steepest = np.array([np.abs(X.T @ residual).max(initial=0.0)])
        return float(ring_all_reduce(self._comm, steepest, "max")[0])

    def certify(self, residual: np.ndarray, steepest: float, size: float) -> float:
        """Note f and dual; `size` is ‖w‖₁ over all ranks. Return their gap."""
        primal = float(residual @ residual / (2 * len(self._y)) + self._penalty * size)
        dual = dual_of_residual(residual, self._y, steepest, self._penalty)
        self._values.append((primal, dual))
        return primal - dual

    def outcome(
        self, weights: np.ndarray, scores: np.ndarray, diverged_at: int | None = None
    ) -> Columns:
        """Return all that was noted."""
        primal, dual_values = zip(*self._values, strict=True)
        return Columns(weights, scores, primal, dual_values, tuple(self._times), diverged_at)


def _join(
    comm: Communicator, X: Table, y: np.ndarray, settings: object
) -> tuple[Table, np.ndarray]:
    """Return columns and targets, or raise on every rank what is wrong with any rank's."""
    table, targets, fault = read_shard(X, y, Squared())
    every = tell(comm, [len(targets), checksum(targets.tobytes()), fault, checksum(settings)])
    refuse_faults(every[:, 2])
    refuse_differences("number of examples", every[:, 0], str)
    refuse_differences("targets", every[:, 1])
    refuse_differences("settings", every[:, 3])
    if len(targets) == 0:
        raise ValueError("X must have at least one row, got none")
    assert table is not None
    return table, targets
