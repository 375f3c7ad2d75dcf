"""What each rank runs in these tests: in a module, so that processes can import it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm import Communicator

Case = tuple[str, np.ndarray]
"""An operation and this rank's array."""


def reduce_all(
    comm: Communicator, all_reduce: Callable[..., np.ndarray], cases: Sequence[Case]
) -> list[tuple[np.ndarray, bool]]:
    """Return for each case the result, and whether the input is what it was."""
    outcomes = []
    for op, x in cases:
        before = x.tobytes()
        result = all_reduce(comm, x, op=op)
        outcomes.append((result, x.tobytes() == before and not np.shares_memory(result, x)))
    return outcomes


def error_of(comm: Communicator, function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Return the error of a call that is refused before anything is sent."""
    try:
        function(comm, *args, **kwargs)
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def torch_all_reduce(comm: Communicator, x: np.ndarray, op: str) -> np.ndarray:
    """All-reduce by torch.distributed itself, in the group that the ranks are in."""
    import torch
    import torch.distributed as dist

    tensor = torch.from_numpy(x.copy())
    dist.all_reduce(tensor, {"sum": dist.ReduceOp.SUM, "max": dist.ReduceOp.MAX}[op])
    return tensor.numpy()


def read_only(comm: Communicator, function: Callable[..., Any], x: np.ndarray) -> Any:
    """Call with an array that may not be written."""
    x.flags.writeable = False
    return function(comm, x)


def transposed(comm: Communicator, function: Callable[..., Any], x: np.ndarray) -> Any:
    """Call with a view that is not contiguous (pickling would make it so)."""
    return function(comm, x.T[:, ::2])


def larger_row(one: np.ndarray, other: np.ndarray, /, *, out: np.ndarray) -> None:
    """An operation: of two rows the one whose first number is larger, of equals `one`'s.

    In a tree `one` comes from lower ranks than `other`, so of equals the lowest rank's stays.
    """
    np.copyto(out, np.where((other[:, 0] > one[:, 0])[:, None], other, one))
