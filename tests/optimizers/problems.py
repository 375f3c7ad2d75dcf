"""Weights and gradients for the tests, and how torch takes the same steps."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from mlsys_lib.optimizers.base import BLOCK, Optimizer

Arrays = list[np.ndarray]
SHAPES: list[tuple[int, ...]] = [(), (7,), (3, 4), (2, 3, 4), (0, 3), (BLOCK + 5,)]
MATRICES: list[tuple[int, ...]] = [(5, 3), (3, 5), (4, 4), (1, 6)]


def arrays(
    shapes: Sequence[tuple[int, ...]], seed: int, dtype: type[np.floating] = np.float64
) -> Arrays:
    """Return one normal array for each shape."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]


def gradients(shapes: Sequence[tuple[int, ...]], num_steps: int) -> Iterator[Arrays]:
    """Yield gradients of `num_steps` steps, of sizes between 1e-3 and 1e2."""
    for step in range(num_steps):
        yield [np.asarray(g * 10.0 ** (step % 6 - 3)) for g in arrays(shapes, 1000 + step)]


def walk(optimizer: Optimizer, steps: Sequence[Arrays], rates: Sequence[float] = ()) -> Arrays:
    """Take the steps, with a new learning rate before each if there are rates."""
    for i, step in enumerate(steps):
        if rates:
            optimizer.learning_rate = rates[i]
        optimizer.step(step)
    return optimizer.weights


def torch_walk(
    torch_class: Any,
    weights: Arrays,
    steps: Sequence[Arrays],
    options: dict[str, Any],
    rates: Sequence[float] = (),
) -> Arrays:
    """Take the same steps with an optimizer of torch."""
    parameters = [torch.nn.Parameter(torch.from_numpy(w.copy())) for w in weights]
    optimizer = torch_class(parameters, **options)
    for i, step in enumerate(steps):
        for parameter, g in zip(parameters, step, strict=True):
            parameter.grad = torch.from_numpy(g.copy())
        if rates:
            optimizer.param_groups[0]["lr"] = rates[i]
        optimizer.step()
    return [parameter.detach().numpy() for parameter in parameters]


def assert_equal(found: Arrays, expected: Arrays, tolerance: float = 1e-12) -> None:
    """Each array is equal to a relative 1e-12: another order of a few rounded operations."""
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance, strict=True)
