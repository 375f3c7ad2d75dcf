"""Batch normalization over the batches of all ranks.

In data parallelism each rank normalizes with the statistics of its own part. That is another
function of the data than one machine computes: the result depends on how many ranks there are, and
a part of one sample cannot be normalized. Adding the statistics up over the ranks restores what one
machine does. As in torch.nn.SyncBatchNorm, but torch gathers each rank's mean and inverse deviation
and merges those; ours adds (count, sum, sum of squares) with one all-reduce. Sums are taken around
the running mean, which all ranks share, so that less cancels where a mean is large.

Forwards 2 d + 1 numbers are added up, backwards 2 d, in float64. On a ring each rank sends about
twice that, 16 (2 d + 1) and 16 · 2 d bytes, whatever the size of the batch.
"""

import numpy as np

from mlsys_lib.collectives import AllReduce, ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.optimizers.batch_norm import BatchNorm


class SyncBatchNorm:
    """Batch normalization whose statistics are those of all ranks' samples.

    Parameters
    ----------
    comm : Communicator
        This rank's endpoint.
    layer : BatchNorm
        This rank's weights and running statistics, the same on every rank.
    all_reduce : callable
        Sums an array over the ranks: any of the all-reduces of `mlsys_lib.collectives`.

    Notes
    -----
    Shards may have any sizes, 0 too, as long as all ranks together have 2 samples.

    Examples
    --------
    >>> from mlsys_lib.comm import PerRank, simulate
    >>> def normalize(comm, x):
    ...     return SyncBatchNorm(comm, BatchNorm(1)).forward(x)
    >>> shards = PerRank([np.array([[1.0]]), np.array([[2.0], [3.0]])])
    >>> print(np.vstack(simulate(normalize, 2, shards).results).ravel().round(3))
    [-1.225  0.     1.225]
    """

    def __init__(
        self,
        comm: Communicator,
        layer: BatchNorm,
        all_reduce: AllReduce = ring_all_reduce,
    ) -> None:
        self.comm = comm
        self.layer = layer
        self.all_reduce = all_reduce

    def forward(self, x: np.ndarray, *, training: bool = True) -> np.ndarray:
        """Normalize this rank's shard; all ranks call it together.

        Parameters
        ----------
        x : ndarray of shape (n, d) or (n, d, ...)
            This rank's samples.
        training : bool
            With False nothing is sent.

        Returns
        -------
        ndarray of x.shape
        """
        if not training:
            return self.layer.forward(x, training=False)
        origin = self.layer.running_mean.astype(np.float64)
        centered = self.layer.rows(x) - origin
        local = [[len(centered)], centered.sum(axis=0), (centered**2).sum(axis=0)]
        total = self.all_reduce(self.comm, np.concatenate(local))
        count, (first, second) = int(total[0]), total[1:].reshape(2, -1) / max(1.0, total[0])
        mean, variance = origin + first, np.maximum(second - first**2, 0.0)
        dtype = self.layer.scale.dtype
        mean, variance = mean.astype(dtype), variance.astype(dtype)
        self.layer.track(count, mean, variance)
        return self.layer.apply(x, mean, variance, count)

    def backward(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the gradients of this rank's input, of scale and of shift.

        Parameters
        ----------
        gradient : ndarray of this rank's output's shape
            Of the loss summed over all ranks, by this rank's output.

        Returns
        -------
        input_gradient : ndarray of the input's shape
        scale_gradient, shift_gradient : ndarray of shape (d,)
            This rank's part: data parallelism adds it up with the gradients of all weights.
        """
        local = self.layer.gradient_sums(gradient)
        sums = self.all_reduce(self.comm, np.concatenate(local, dtype=np.float64)).reshape(2, -1)
        scale_sum, shift_sum = sums.astype(self.layer.scale.dtype)
        return self.layer.input_gradient(gradient, scale_sum, shift_sum), *local
