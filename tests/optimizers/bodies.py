"""What each rank runs in these tests: in a module, so that processes can import it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm import Communicator
from mlsys_lib.optimizers import BatchNorm, SyncBatchNorm

Layer = Callable[[Communicator, BatchNorm, Any], Any]


def normalize(
    comm: Communicator,
    make: Layer,
    all_reduce: Callable[..., np.ndarray],
    batches: Sequence[tuple[np.ndarray, np.ndarray]],
) -> list[tuple[np.ndarray, ...]]:
    """Return outputs, three gradients and both running statistics after each batch."""
    layer = BatchNorm(3)
    layer.scale[:], layer.shift[:] = [1.0, -2.0, 0.5], [0.0, 3.0, 1.0]
    synchronized = make(comm, layer, all_reduce)
    found = []
    for x, gradient in batches:
        y = synchronized.forward(x)
        found.append(
            (
                y,
                *synchronized.backward(gradient),
                layer.running_mean.copy(),
                layer.running_variance.copy(),
            )
        )
    return found


def evaluate(comm: Communicator, all_reduce: Callable[..., np.ndarray], x: np.ndarray) -> Any:
    """Normalize with the running statistics."""
    return SyncBatchNorm(comm, BatchNorm(3), all_reduce).forward(x, training=False)


class Alone:
    """A plain layer on each rank, in the place of a synchronized one: the trap."""

    def __init__(self, comm: Communicator, layer: BatchNorm, all_reduce: Any) -> None:
        self.forward, self.backward = layer.forward, layer.backward


class MeanOfVariances:
    """Averages the ranks' means and variances: what lies between the means is lost."""

    def __init__(self, comm: Communicator, layer: BatchNorm, all_reduce: Any) -> None:
        self.comm, self.layer, self.all_reduce = comm, layer, all_reduce

    def forward(self, x: np.ndarray) -> np.ndarray:
        local = [[len(x)], len(x) * x.mean(axis=0), len(x) * x.var(axis=0)]
        total = self.all_reduce(self.comm, np.concatenate(local))
        count, (mean, variance) = int(total[0]), total[1:].reshape(2, -1) / total[0]
        self.layer.track(count, mean, variance)
        return self.layer.apply(x, mean, variance, count)

    def backward(self, gradient: np.ndarray) -> Any:
        local = self.layer.gradient_sums(gradient)
        sums = self.all_reduce(self.comm, np.concatenate(local)).reshape(2, -1)
        return self.layer.input_gradient(gradient, *sums), *local


class BackwardAlone(SyncBatchNorm):
    """Adds up forwards, and forgets that other ranks' losses depend on the sums too."""

    def backward(self, gradient: np.ndarray) -> Any:
        return self.layer.backward(gradient)


class BiasedCount(SyncBatchNorm):
    """Takes each rank's own count to make the variance unbiased."""

    def forward(self, x: np.ndarray, *, training: bool = True) -> np.ndarray:
        layer = self.layer
        old = layer.running_variance.copy()
        y = super().forward(x, training=training)
        cache = layer._forward_cache()
        fresh = (layer.running_variance - (1 - layer.momentum) * old) / layer.momentum
        wrong = fresh * (cache.count - 1) / cache.count * len(x) / (len(x) - 1)
        layer.running_variance[:] = (1 - layer.momentum) * old + layer.momentum * wrong
        return y


def in_single_precision(comm: Communicator, x: np.ndarray) -> list[str]:
    """Return the dtypes of output and input gradient of a float32 layer."""
    layer = SyncBatchNorm(comm, BatchNorm(3, dtype=np.float32))
    y = layer.forward(x)
    return [str(y.dtype), str(layer.backward(y)[0].dtype)]
