"""Small problems of every loss, dense and sparse, and ways to deal their rows out."""

from itertools import pairwise

import numpy as np

from mlsys_lib.comm import PerRank
from mlsys_lib.distributed_optimization import Hinge, Logistic, Objective, SparseRows, Squared
from mlsys_lib.distributed_optimization.losses import Loss

LOSSES: dict[str, Loss] = {"squared": Squared(), "hinge": Hinge(), "logistic": Logistic()}


def sparse(dense: np.ndarray) -> SparseRows:
    """The same rows without their zeros."""
    rows, columns = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(dense, axis=1))])
    return SparseRows(dense[rows, columns], columns, indptr, dense.shape[1])


def problem(
    name: str,
    n: int = 60,
    d: int = 7,
    *,
    penalty: float = 0.05,
    density: float = 0.6,
    seed: int = 0,
) -> Objective:
    """Rows of different lengths, one of them empty, some entries zero, targets with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < density)
    X[n // 2] = 0.0
    y = X @ rng.standard_normal(d) + 0.5 * rng.standard_normal(n)
    return Objective(
        X, y if name == "squared" else np.where(y > 0, 1.0, -1.0), LOSSES[name], penalty
    )


def dealt(
    objective: Objective, world_size: int, *, uneven: bool = False
) -> tuple[PerRank, PerRank]:
    """The rows and targets of each rank: consecutive, as even as can be or not at all."""
    n = objective.num_examples
    cuts = np.linspace(0, n, world_size + 1)
    if uneven:
        cuts = n * np.linspace(0, 1, world_size + 1) ** 3
    parts = [slice(int(a), int(b)) for a, b in pairwise(cuts)]
    return PerRank([objective.X[p] for p in parts]), PerRank([objective.y[p] for p in parts])
