"""What may be sent: NumPy arrays of plain dtypes, and torch CPU tensors, seen as arrays."""

from typing import Any

import numpy as np


def as_array(name: str, x: Any) -> np.ndarray:
    """Return `x` as an ndarray that shares its memory.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    x : ndarray or torch CPU tensor
        bfloat16 tensors are seen as int16, since NumPy has no such dtype.

    Raises
    ------
    TypeError
        For anything else, and for object arrays: their elements are addresses of this process.
    """
    if type(x) is not np.ndarray:
        x = _convert(name, x)
    if x.dtype.hasobject:
        raise TypeError(
            f"{name} must have a dtype of plain numbers, got dtype=object, "
            "whose elements mean nothing on another rank"
        )
    array: np.ndarray = x
    return array


def as_writable(name: str, out: Any) -> np.ndarray:
    """Return the receiver's buffer `out` as a writable ndarray that shares its memory."""
    if type(out) is np.ndarray and out.flags.writeable and not out.dtype.hasobject:
        return out
    array = as_array(name, out)
    if isinstance(out, np.generic):
        raise TypeError(f"{name} must be an ndarray to write into, got the scalar {out!r}")
    if not array.flags.writeable:
        raise ValueError(f"{name} must be writable, got a read-only array")
    return array


def _convert(name: str, x: Any) -> np.ndarray:
    if isinstance(x, np.ndarray | np.generic):
        return np.asarray(x)
    return _from_torch(name, x)


def _from_torch(name: str, x: Any) -> np.ndarray:
    if not type(x).__module__.startswith("torch") or not hasattr(x, "detach"):
        raise TypeError(f"{name} must be an ndarray or a torch CPU tensor, got {type(x).__name__}")
    tensor = x.detach()
    if tensor.device.type != "cpu":
        raise TypeError(f"{name} must be on the CPU, got a tensor on {tensor.device}")
    if str(tensor.dtype) == "torch.bfloat16":
        import torch  # already loaded: the caller made a tensor

        tensor = tensor.view(torch.int16)
    array: np.ndarray = tensor.numpy()
    return array


def describe(array: np.ndarray) -> str:
    """Return dtype and shape as a message shows them.

    >>> describe(np.zeros((2, 3)))
    'float64 (2, 3)'
    """
    return f"{array.dtype} {array.shape}"
