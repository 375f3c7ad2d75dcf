"""The operations by which ranks combine their arrays: sum, mean, max, min, or one's own."""

from typing import Protocol

import numpy as np

from mlsys_lib.core.validate import one_of

_COMBINE: dict[str, np.ufunc] = {
    "sum": np.add,
    "mean": np.add,
    "max": np.maximum,
    "min": np.minimum,
}


class Operation(Protocol):
    """Combines two partial results, as a ufunc does; the order of all ranks' must not matter."""

    def __call__(self, one: np.ndarray, other: np.ndarray, /, *, out: np.ndarray) -> object:
        """Write the combination into `out`, which may be `one`."""


def combine_for(op: str, dtype: np.dtype) -> np.ufunc:
    """Return the ufunc that combines two partial results of `op`.

    Raises
    ------
    ValueError
        If `op` is not one of sum, mean, max, min.
    TypeError
        For the mean of integers, which is no integer, and for dtypes that do not add.
    """
    one_of("op", op, _COMBINE)
    if op == "mean" and dtype.kind not in "fc":
        raise TypeError(f"op 'mean' needs a floating dtype, got {dtype}")
    if dtype.kind not in "biufc" or (dtype.kind == "c" and op in ("max", "min")):
        raise TypeError(f"op {op!r} needs numbers that it can combine, got dtype {dtype}")
    return _COMBINE[op]


def finish(op: str | Operation, total: np.ndarray, world_size: int) -> np.ndarray:
    """Turn the sum into the mean if `op` asks for it, in place; return `total`."""
    if op == "mean":
        np.divide(total, world_size, out=total)
    return total
