"""CoCoA: every worker works on its own block of the dual, and each round sends one vector.

Jaggi et al., "Communication-efficient distributed dual coordinate ascent", NIPS 2014,
arXiv:1409.1458; Ma et al., "Adding vs. averaging in distributed primal-dual optimization", ICML
2015, arXiv:1502.03508 (CoCoA⁺); Smith et al., "CoCoA: a general framework for
communication-efficient distributed optimization", JMLR 18, 2018. Each round, on worker i,

    Δζ_i ≈ argmax of its own problem (see `mlsys_lib.distributed_optimization.sdca`), scale ω′
    ζ_i ← ζ_i + ω Δζ_i,        w ← w + ω Σ_i Δw_i,        Δw_i = X_iᵀΔζ_i/(λn)

ω is the aggregation (γ in the papers): 1/m averages, 1 adds. ω′ is the subproblem's scale (σ′):
how much each worker must hold back because the others move too. ω′ = ω m is safe for every data
set. Adding with ω′ = 1 is not: where workers hold alike examples, w moves up to m times too far.

Ours differs from Algorithm 1 in two ways. The local solver takes examples in shuffled passes rather
than with replacement. And the sums that certify the gap ride with the next round's vector, two
numbers more, so that a certificate costs no message of its own but for the last one.
"""

import numpy as np

from mlsys_lib.collectives import AllReduce, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import non_negative, positive, positive_int
from mlsys_lib.distributed_optimization.certificate import Dual, Trace, loss_sums
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.rows import Table
from mlsys_lib.distributed_optimization.sdca import BlockSolver
from mlsys_lib.distributed_optimization.shards import Shard, join, num_entries

ROUNDING = 1e-13
"""Share of its terms that a local gap is known to."""


def cocoa(
    comm: Communicator,
    X: Table,
    y: np.ndarray,
    loss: Loss,
    penalty: float,
    num_rounds: int,
    *,
    aggregation: float = 1.0,
    subproblem_scale: float | None = None,
    num_local_steps: int | None = None,
    theta: float | None = None,
    tolerance: float = 0.0,
    seed: int = 0,
    all_reduce: AllReduce = ring_all_reduce,
    seconds_per_entry: float = 0.0,
) -> Dual:
    """Minimise the penalised mean loss over all ranks' examples, in few rounds.

    Parameters
    ----------
    X : Table of shape (n_i, d)
        This rank's examples, maybe none.
    y : ndarray of shape (n_i,)
    loss : Loss
    penalty : float
        λ > 0: the dual needs it.
    num_rounds : int
    aggregation : float
        ω in (0, 1]: 1 adds the workers' changes (CoCoA⁺), 1/m averages them (CoCoA).
    subproblem_scale : float, optional
        ω′; by default ω m, which is safe. Less may be faster, or diverge.
    num_local_steps : int, optional
        H, examples that a worker's solver visits in a round; by default one pass over its own. More
        than it has go on into the next pass.
    theta : float, optional
        In place of H: pass over the own examples until this share of the local error is left.
    tolerance : float
        Stop at the first round whose gap is at most this.
    seed : int
        Of the orders; ranks draw apart.
    all_reduce : callable
        Any all-reduce of `mlsys_lib.collectives`. The ring sends least; with few features and many
        ranks a tree or recursive doubling is faster.
    seconds_per_entry : float
        For the simulated clock: a step reads its row twice.

    Returns
    -------
    Dual
        Its `weights` belong to its duals: w = w(ζ), but for rounding.

    Notes
    -----
    A round is one all-reduce of d + 2 numbers: 2 (m - 1)/m · (d + 2) · 8 bytes sent by each
    rank. One more, of 2 numbers, certifies the end.

    With H = n_i and smooth losses, rounds grow as log(1/gap) (Ma et al., theorem 10); with the
    hinge loss as 1/gap (theorem 8).
    """
    num_rounds = positive_int("num_rounds", num_rounds)
    scale = _checked(comm, penalty, aggregation, subproblem_scale, theta, num_local_steps)
    penalty, aggregation = float(penalty), float(aggregation)
    tolerance = non_negative("tolerance", tolerance)
    settings = (penalty, num_rounds, aggregation, scale, num_local_steps, theta, tolerance, seed)
    shard = join(comm, X, y, loss, settings, seconds_per_entry)
    worker = _Worker(shard, loss, penalty, scale, np.random.default_rng([seed, comm.rank]))
    weights, trace = np.zeros(shard.num_features), Trace(comm, shard, penalty)
    trace.note(weights)
    for step in range(1, num_rounds + 1):
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is told below
            sums = loss_sums(shard, loss, weights, worker.dual)
            change, left = worker.improve(comm, weights, num_local_steps, theta)
            together = all_reduce(comm, np.concatenate([change, sums]))
            moved = weights + aggregation * together[:-2]
            gap = trace.certify(weights, together[-2:])
        if gap <= tolerance:
            return trace.outcome(worker.dual)
        if not np.isfinite(moved).all():
            return trace.outcome(worker.dual, diverged_at=step)
        worker.keep(aggregation)
        weights = moved
        trace.note(weights, left)
    trace.certify(weights, all_reduce(comm, loss_sums(shard, loss, weights, worker.dual)))
    return trace.outcome(worker.dual)


class _Worker:
    """One rank's block of the dual, and its own problem."""

    def __init__(
        self, shard: Shard, loss: Loss, penalty: float, scale: float, rng: np.random.Generator
    ) -> None:
        self._shard, self._loss, self._scale = shard, loss, scale
        self._shrink = penalty * shard.num_examples
        self._solver = BlockSolver(shard.X, shard.y, loss, rng)
        self.dual = np.zeros(len(shard.y))
        self._improved = self.dual

    def improve(
        self, comm: Communicator, weights: np.ndarray, num_steps: int | None, theta: float | None
    ) -> tuple[np.ndarray, float]:
        """Work on the own problem; return Δw and the share of its error that is left, at most."""
        shard, n = self._shard, len(self._shard.y)
        self._improved = self.dual.copy()
        if n == 0:
            return np.zeros_like(weights), np.nan
        change, left = np.zeros_like(weights), np.inf
        entries_a_step = 2 * num_entries(shard.X) / n
        while left == np.inf or (theta is not None and left > theta):
            before, steps = self._improved.copy(), num_steps or n
            change += self._solver.solve(
                self._improved, weights + self._scale * change, self._shrink, self._scale, steps
            )
            comm.compute(shard.compute_s(entries_a_step * steps), "local solver")
            left = self._error_left(weights, change)
            if np.array_equal(before, self._improved):
                break  # no step improves anything: what is left is rounding
        return change, left

    def keep(self, aggregation: float) -> None:
        """Move the duals by ω of what `improve` found."""
        self.dual = self.dual + aggregation * (self._improved - self.dual)

    def _error_left(self, weights: np.ndarray, change: np.ndarray) -> float:
        """Return an upper bound of (G* - G(Δ)) / (G* - G(0)), from the local duality gap.

        The gap bounds G* - G(Δ), and G(Δ) - G(0) is known. A gap of the size of rounding errors
        counts as none, or a small Θ could never be reached near the end.
        """
        shard, loss = self._shard, self._loss
        new = self._improved
        z = shard.X @ (weights + self._scale * change)
        terms = loss.value(z, shard.y), -loss.dual_value(new, shard.y), new * z
        gap = np.sum(terms)
        if gap <= ROUNDING * np.abs(terms).sum():
            return 0.0
        values = loss.dual_value(new, shard.y) - loss.dual_value(self.dual, shard.y)
        size = self._scale * self._shrink / 2 * (change @ change)
        gained = values.sum() - self._shrink * (weights @ change) - size
        total = gap + gained
        return float(max(0.0, gap) / total) if total > 0 else np.nan


def _checked(
    comm: Communicator,
    penalty: float,
    aggregation: float,
    subproblem_scale: float | None,
    theta: float | None,
    num_local_steps: int | None,
) -> float:
    """Return the subproblem's scale."""
    if positive("aggregation", aggregation) > 1:
        raise ValueError(f"aggregation must be in (0, 1], got {aggregation}")
    if positive("penalty", penalty) and theta is not None and not 0 < theta < 1:
        raise ValueError(f"theta must be in (0, 1), got {theta}")
    if num_local_steps is not None:
        positive_int("num_local_steps", num_local_steps)
        if theta is not None:
            raise ValueError(f"num_local_steps must be left out where theta is given, got {theta}")
    if subproblem_scale is None:
        return aggregation * comm.world_size
    return positive("subproblem_scale", subproblem_scale)
