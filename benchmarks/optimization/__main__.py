"""Measure distributed optimization: `python -m benchmarks.optimization`.

Figures go to benchmarks/results/optimization.json. One thread each, in turns, medians of ratios.
The text set is the bundled mails, as rows of unit length; λ = 1e-3, and K = 4 workers.

A pass of liblinear is what five more passes cost after the first. It sets examples aside that it
expects to stay at a bound, so that its later passes are shorter than ours.
"""

import time
import warnings
from collections.abc import Callable
from itertools import islice
from statistics import median

import numpy as np
from scipy.sparse import csr_array
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from benchmarks.comm.__main__ import machine
from benchmarks.report import report
from mlsys_lib.collectives import tree_all_reduce
from mlsys_lib.comm import simulate
from mlsys_lib.datasets import mails, tf_idf_rows
from mlsys_lib.distributed_optimization import (
    Hinge,
    Objective,
    SparseRows,
    Squared,
    cocoa,
    deal,
    distributed_gradient_descent,
    distributed_minibatch_sgd,
    minibatch_sdca,
    safe_batch_scale,
)
from mlsys_lib.distributed_optimization.sampling import batches
from mlsys_lib.distributed_optimization.sdca import BlockSolver

PENALTY, WORKERS, REPEAT, PASSES, COPIES = 1e-3, 4, 7, 5, 8
SGD_RANKS, SGD_ROUNDS, SGD_ROWS, SGD_COLUMNS, SGD_BATCH = 64, 100, 10_000, 100, 5_000
GOALS = {
    "cocoa_primal_minus_liblinear": 1e-4,
    "cocoa_to_minibatch_sdca_rounds_ratio": 0.1,
    "sdca_to_liblinear_pass_ratio": 5.0,
    "simulated_to_serial_sgd_ratio": 1.5,
}


def text_set() -> tuple[SparseRows, np.ndarray]:
    """Return the training mails as rows of unit length, and +1 for spam."""
    train, _, vocabulary = mails()
    indptr, indices, values = tf_idf_rows(train, train)
    return SparseRows(values, indices, indptr, len(vocabulary)), train.labels.astype(float)


def peer(X: SparseRows, y: np.ndarray, max_iter: int, tolerance: float = 1e-12) -> np.ndarray:
    """Return liblinear's weights for the same problem."""
    rows = csr_array((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape)
    model = LinearSVC(
        loss="hinge", dual=True, C=1 / (PENALTY * len(y)), fit_intercept=False, tol=tolerance,
        max_iter=max_iter,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that few passes do not converge
        return np.asarray(model.fit(rows, y).coef_[0])


def measure_rounds() -> dict[str, float]:
    """Return rounds to a gap of 1e-3, and how near CoCoA comes to liblinear's value."""
    X, y = text_set()
    objective, dealt = Objective(X, y, Hinge(), PENALTY), deal(X, y, WORKERS)
    loss = objective.loss
    run = simulate(cocoa, WORKERS, *dealt, loss, PENALTY, 500, tolerance=1e-3).results[0]
    far = simulate(cocoa, WORKERS, *dealt, loss, PENALTY, 2000, tolerance=2e-5).results[0]
    rounds = {}
    for size in (len(y) // 16, len(y) // 4, len(y)):
        beta = safe_batch_scale(X, size)
        mini = simulate(
            minibatch_sdca, WORKERS, *dealt, loss, PENALTY, 3000, size, beta, tolerance=1e-3
        ).results[0]
        rounds[size] = len(mini.gaps) - 1
    return {
        "cocoa_rounds": len(run.gaps) - 1,
        **{f"minibatch_sdca_{size}_rounds": count for size, count in rounds.items()},
        "cocoa_to_minibatch_sdca_rounds_ratio": (len(run.gaps) - 1) / min(rounds.values()),
        "cocoa_primal_minus_liblinear": far.primal[-1] - objective.value(peer(X, y, 10**6, 1e-10)),
    }


def measure_passes() -> dict[str, float]:
    """Return seconds of a pass over eight copies of the mails, ours and liblinear's."""
    X, y = text_set()
    X, y = X[np.tile(np.arange(len(y)), COPIES)], np.tile(y, COPIES)
    n = len(y)
    solver = BlockSolver(X, y, Hinge(), np.random.default_rng(0))
    ours, theirs = [], []
    for _ in range(REPEAT):
        dual, weights = np.zeros(n), np.zeros(X.shape[1])
        weights += solver.solve(dual, weights, PENALTY * n, 1.0, n)
        ours.append(seconds(lambda d=dual, w=weights: passes(solver, d, w, n)) / PASSES)
        first = seconds(lambda: peer(X, y, 1))
        theirs.append((seconds(lambda: peer(X, y, 1 + PASSES)) - first) / PASSES)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "sdca_pass_s": median(ours),
        "liblinear_pass_s": median(theirs),
        "sdca_to_liblinear_pass_ratio": median(ratios),
    }


def passes(solver: BlockSolver, dual: np.ndarray, weights: np.ndarray, n: int) -> None:
    """Go over all examples some more times."""
    for _ in range(PASSES):
        weights += solver.solve(dual, weights, PENALTY * n, 1.0, n)


def measure_simulation() -> dict[str, float]:
    """Return data-parallel descent on 64 simulated ranks beside the same arithmetic in series.

    A vector of 100 numbers goes by a tree: 126 messages a round, where a ring takes 8 064.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((SGD_ROWS, SGD_COLUMNS))
    y = X @ rng.standard_normal(SGD_COLUMNS) + rng.standard_normal(SGD_ROWS)
    dealt = deal(X, y, SGD_RANKS)
    task = *dealt, Squared(), PENALTY, 1e-3, SGD_ROUNDS
    options = {"all_reduce": tree_all_reduce}
    ways = {
        "gradient_descent": (
            lambda: simulate(distributed_gradient_descent, SGD_RANKS, *task, **options),
            lambda: descent_in_series(*(part.values for part in dealt)),
        ),
        "sgd": (
            lambda: simulate(distributed_minibatch_sgd, SGD_RANKS, *task, SGD_BATCH, **options),
            lambda: sgd_in_series(X, y),
        ),
    }
    found: dict[str, float] = {}
    for name, (simulated, serial) in ways.items():
        times = [(seconds(simulated), seconds(serial)) for _ in range(REPEAT)]
        found[f"simulated_{name}_s"], found[f"serial_{name}_s"] = map(
            median, zip(*times, strict=True)
        )
        found[f"simulated_to_serial_{name}_ratio"] = median(ours / other for ours, other in times)
    return found


def descent_in_series(tables: tuple[np.ndarray, ...], targets: tuple[np.ndarray, ...]) -> None:
    """Compute the ranks' parts of each gradient one after the other, and add them."""
    weights = np.zeros(SGD_COLUMNS)
    for _ in range(SGD_ROUNDS):
        parts = zip(tables, targets, strict=True)
        gradient = sum(X.T @ (X @ weights - y) for X, y in parts)
        weights = weights - 1e-3 * (gradient / SGD_ROWS + PENALTY * weights)


def sgd_in_series(X: np.ndarray, y: np.ndarray) -> None:
    """Compute the ranks' parts of each batch one after the other, and add them."""
    weights = np.zeros(SGD_COLUMNS)
    stream = batches(SGD_ROWS, SGD_BATCH, "epochs", np.random.default_rng(0))
    owner = np.arange(SGD_ROWS) * SGD_RANKS // SGD_ROWS
    for batch in islice(stream, SGD_ROUNDS):
        gradient = np.zeros(SGD_COLUMNS)
        for rank in range(SGD_RANKS):
            rows = batch[owner[batch] == rank]
            gradient += X[rows].T @ (X[rows] @ weights - y[rows])
        weights = weights - 1e-3 * (gradient / SGD_BATCH + PENALTY * weights)


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start_s = time.perf_counter()
    function()
    return time.perf_counter() - start_s


def main() -> None:
    """Take every measurement, print it, and write it down."""
    facts = machine()
    with threadpool_limits(1):
        figures = {**measure_rounds(), **measure_passes(), **measure_simulation()}
    report("optimization", facts, GOALS, figures)


if __name__ == "__main__":
    main()
