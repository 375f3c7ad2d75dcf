"""What each rank runs in these tests: in a module, so that processes can import it."""

import numpy as np

from mlsys_lib.comm import Communicator
from mlsys_lib.gradient_compression.aggregate import (
    Aggregated,
    Collective,
    aggregate,
    mean_by_all_reduce,
    mean_by_gather,
)
from mlsys_lib.gradient_compression.compressor import Compressor
from mlsys_lib.gradient_compression.memory import ErrorFeedback
from mlsys_lib.gradient_compression.powersgd import PowerSGD

TARGETS = np.random.default_rng(5).normal(size=(64, 12))
CURVATURES = 1 + np.random.default_rng(6).random((64, 12))


def quadratic_gradient(weights: np.ndarray, step: int, rank: int) -> np.ndarray:
    """Of Σ_j c_j (w_j - target_j)² / 2, curvatures and target the rank's own, k = 12."""
    return CURVATURES[rank] * (weights - TARGETS[rank])


def quadratic_minimum(world_size: int) -> np.ndarray:
    """Where the mean of the ranks' quadratics is least."""
    curvatures = CURVATURES[:world_size]
    return (curvatures * TARGETS[:world_size]).sum(axis=0) / curvatures.sum(axis=0)


def breaks_down(weights: np.ndarray, step: int, rank: int) -> np.ndarray:
    """On rank 1 a gradient that is not finite in step 3."""
    gradient = quadratic_gradient(weights, step, rank)
    if (rank, step) == (1, 3):
        gradient[4] = np.nan
    return gradient


def of_another_shape(weights: np.ndarray, step: int, rank: int) -> np.ndarray:
    return np.ones(5)


def uphill(weights: np.ndarray, step: int, rank: int) -> np.ndarray:
    return -10 * weights


def aggregate_with(
    comm: Communicator, x: np.ndarray, compressor: Compressor | Collective, *seed: int
) -> Aggregated:
    return aggregate(comm, x, compressor, np.random.default_rng(seed))


def gather_mean(comm: Communicator, x: np.ndarray, compressor: Compressor, seed: int) -> np.ndarray:
    return mean_by_gather(comm, compressor.encode(x, np.random.default_rng(seed)), compressor)


def all_reduce_mean(
    comm: Communicator, x: np.ndarray, compressor: Compressor, seed: int
) -> np.ndarray:
    return mean_by_all_reduce(comm, x, compressor, np.random.default_rng(seed))


def power_steps(
    comm: Communicator, xs: list[np.ndarray], shapes: list[tuple[int, ...]], rank_r: int
) -> tuple[list[Aggregated], dict[int, np.ndarray]]:
    """Several steps of PowerSGD without memory; also the last factors."""
    power = PowerSGD(shapes, rank_r)
    return [power.aggregate(comm, x) for x in xs], power.factors


def power_with_memory(
    comm: Communicator, xs: list[np.ndarray], shapes: list[tuple[int, ...]], rank_r: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of all means, and this rank's memory at the end."""
    power, memory, total = PowerSGD(shapes, rank_r), ErrorFeedback(), np.zeros(len(xs[0]))
    for x in xs:
        wanted = memory.add(x)
        outcome = power.aggregate(comm, wanted)
        memory.keep(wanted, outcome.sent)
        total += outcome.mean
    return total, memory.add(np.zeros(len(total)))
