"""Small problems, and the slow and plain meaning of a best split."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlsys_lib.distributed_trees import Criterion, Entropy, Gini, Newton, Variance, on_grid, steps

CRITERIA: dict[str, Criterion] = {
    "variance": Variance(),
    "gini": Gini(3),
    "entropy": Entropy(3),
    "newton": Newton(0.5),
}


@dataclass(frozen=True)
class Problem:
    """A table, its targets, and their statistics on a grid."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    stats: np.ndarray
    criterion: Criterion


def problem(
    name: str, num_rows: int = 200, num_features: int = 4, *, seed: int = 0, missing: float = 0.0,
    levels: int = 0, weighted: bool = False,
) -> Problem:  # fmt: skip
    """Draw a problem for a criterion; `levels` rounds the columns, so that values are equal."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(num_rows, num_features))
    if levels:
        X = np.rint(X * levels) / levels
    signal = 2 * X[:, 0] + np.sin(3 * X[:, -1]) + 0.1 * rng.normal(size=num_rows)
    X[rng.random(X.shape) < missing] = np.nan
    y: np.ndarray = signal
    if name in ("gini", "entropy"):
        y = np.digitize(signal, [-1.0, 1.0])
    elif name == "newton":
        y = np.column_stack([-signal, np.ones(num_rows)])
    weight = rng.integers(0, 4, num_rows).astype(float) if weighted else np.ones(num_rows)
    criterion = CRITERIA[name]
    stats = criterion.encode(y, weight)
    return Problem(X, y, weight, exact(stats), criterion)


def exact(stats: np.ndarray) -> np.ndarray:
    """The statistics on the grid of all of them."""
    return on_grid(stats, steps(np.abs(stats).max(axis=0, initial=0.0), len(stats)))


def best_by_brute_force(p: Problem, rows: np.ndarray, min_weight: float) -> tuple[float, int]:
    """The largest gain of any cut of these rows, and its feature; -inf if there is none."""
    best = (-np.inf, -1)
    score = p.criterion.score
    whole = p.stats[rows].sum(axis=0)
    for f in range(p.X.shape[1]):
        x = p.X[rows, f]
        values = np.unique(x[~np.isnan(x)])
        middles = [(a + b) / 2 for a, b in pairwise(values)] + [np.inf]
        for threshold in middles:
            for missing_left in (True, False):
                goes_left = np.where(np.isnan(x), missing_left, x <= threshold)
                left = p.stats[rows[goes_left]].sum(axis=0)
                right = p.stats[rows[~goes_left]].sum(axis=0)
                if min(map(float, map(p.criterion.weight, (left, right)))) < min_weight:
                    continue
                gain = float(score(left) + score(right) - score(whole))
                if gain > best[0]:
                    best = (gain, f)
    return best
