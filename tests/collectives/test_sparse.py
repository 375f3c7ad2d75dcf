"""Sparse push and pull do what dense ones do, in fewer bytes."""

import re
from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import (
    pull_sparse,
    push_sparse,
    serve_pull,
    serve_push,
    sparse_step,
)
from mlsys_lib.collectives.sparse import sparse_bytes
from mlsys_lib.comm import Communicator, PerRank, RankError, simulate
from tests.conftest import Machine

START = np.linspace(0, 1, 50)


def push(comm: Communicator, indices: Any, values: Any, rate: float = 0.5) -> np.ndarray | None:
    """Rank 1 pushes to rank 0, which returns its weights."""
    if comm.rank == 1:
        push_sparse(comm, 0, indices, values)
        return None
    weights = START.copy()
    serve_push(comm, 1, weights, rate)
    return weights


def pull(comm: Communicator, indices: Any, dtype: Any = np.float64) -> np.ndarray | None:
    """Rank 1 pulls from rank 0."""
    if comm.rank == 1:
        return pull_sparse(comm, 0, indices, dtype)
    serve_pull(comm, 1, START.astype(dtype))
    return None


@pytest.mark.parametrize("indices", [[3], [7, 0, 49], [], [5, 5, 5, 6], list(range(50))])
def test_push_is_the_dense_step(pair: Machine, indices: list[int]) -> None:
    """Repeated indices add up, as in the gradient of an embedding."""
    values = np.arange(1.0, len(indices) + 1)
    run = pair.run(push, np.array(indices, int), values)
    dense = np.zeros(50)
    for index, value in zip(indices, values, strict=True):
        dense[index] += value
    np.testing.assert_allclose(run.results[0], START - 0.5 * dense, rtol=1e-15)
    assert run.ledger.sent_bytes == (0, sparse_bytes(len(indices), 8))
    assert run.ledger.sent_messages == (0, 3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_pull_brings_the_entries(pair: Machine, dtype: Any) -> None:
    indices = np.array([9, 0, 9])
    run = pair.run(pull, indices, dtype)
    np.testing.assert_array_equal(run.results[1], START.astype(dtype)[indices], strict=True)
    assert run.ledger.sent_bytes == (3 * np.dtype(dtype).itemsize, 8 + 3 * 4)


def test_bytes_of_a_push() -> None:
    """8 for the count, and for each entry 4 for the index and 8 for the value."""
    assert sparse_bytes(0, 8) == 8
    assert sparse_bytes(100, 8) == 8 + 100 * 12


@pytest.mark.parametrize(
    ("indices", "values", "message"),
    [
        (np.zeros((1, 1), int), np.zeros((1, 1)), "indices must be a one-dimensional array of int"),
        (np.array([0.5]), np.zeros(1), "indices must be a one-dimensional array of integers, got"),
        (np.array([-1]), np.zeros(1), "indices must be in 0…2**31 - 1, got -1…-1"),
        (np.array([2**31]), np.zeros(1), "indices must be in 0…2**31 - 1, got"),
        (np.array([1, 2]), np.zeros(3), "values must have the shape of indices (2,), got (3,)"),
        (np.array([50]), np.zeros(1), "indices must be below the number of weights (50), got 50"),
    ],
)
def test_bad_entries_are_refused(indices: Any, values: Any, message: str) -> None:
    with pytest.raises(RankError, match=re.escape(message)):
        simulate(push, 2, indices, values)


def test_pull_beyond_the_weights_is_refused() -> None:
    message = r"rank 0 raised ValueError: indices must be below the number of weights \(50\)"
    with pytest.raises(RankError, match=message):
        simulate(pull, 2, np.array([60]))


def test_bad_learning_rate_is_refused() -> None:
    with pytest.raises(RankError, match="learning_rate must be finite and > 0, got 0"):
        simulate(push, 2, np.array([1]), np.ones(1), 0)


@pytest.mark.parametrize("touched", [[[1], [2]], [[0, 4], [4, 9, 9]], [[], [3]]])
def test_a_sparse_step_is_the_dense_step(touched: list[list[int]]) -> None:
    """All workers pull the old weights and push a gradient computed from them."""
    indices = PerRank([np.array(rows, int) for rows in ([], *touched)])
    run = simulate(sparse_step, 3, START, indices, np.cos, learning_rate=0.1)
    expected = START.copy()
    for rows in touched:
        np.subtract.at(expected, rows, 0.1 * np.cos(START[rows]))
    np.testing.assert_allclose(run.results[0], expected, rtol=1e-15)
    sizes = [len(rows) for rows in touched]
    assert run.results[1:] == (None, None)
    assert run.ledger.sent_bytes == (8 * sum(sizes), *(16 + n * (8 + 8) for n in sizes))
