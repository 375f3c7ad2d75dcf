"""Moves w by its own change only: every rank has another w."""

# ruff: noqa: F821
# The notebook defines local_solver.

import numpy as np

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
    moved = w + aggregation * X.T @ change / (penalty * num_examples)
    return moved, dual + aggregation * change
