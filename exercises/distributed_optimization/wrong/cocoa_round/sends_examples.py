"""Gathers everybody's examples and duals, and works them out again."""

# ruff: noqa: F821
# The notebook defines local_solver.

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator


def cocoa_round(
    comm: Communicator,
    X: np.ndarray,
    y: np.ndarray,
    dual: np.ndarray,
    w: np.ndarray,
    penalty: float,
    num_examples: int,
    aggregation: float,
    scale: float,
) -> tuple[np.ndarray, np.ndarray]:
    change = local_solver(X, y, dual, w, penalty, num_examples, scale)
    moved = dual + aggregation * change
    sizes = np.zeros(comm.world_size)
    sizes[comm.rank] = len(y)
    sizes = ring_all_reduce(comm, sizes).astype(int)
    rows = np.zeros((num_examples, X.shape[1] + 1))
    first = sizes[: comm.rank].sum()
    rows[first : first + len(y)] = np.column_stack([X, moved])
    rows = ring_all_reduce(comm, rows)
    return rows[:, :-1].T @ rows[:, -1] / (penalty * num_examples), moved
