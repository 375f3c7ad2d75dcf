"""PowerSGD: the mean gradient of a layer as a product of two thin matrices, added on the way.

Vogels, Karimireddy & Jaggi, "PowerSGD: practical low-rank gradient compression for distributed
optimization", NeurIPS 2019, arXiv:1905.13727, algorithms 1 and 2. For a layer's gradient M_i of
worker i, of shape d_out × d_in, and a matrix Q of shape d_in × r that all share,

    P = mean of M_i Q,    P = orthonormal columns,    Q = mean of M_iᵀ P,    mean of M_i ≈ P Qᵀ.

Both means are all-reduces, of r d_out and r d_in numbers. Q is kept for the next step (warm start),
so over the steps this is a power iteration, and P spans the leading left singular vectors. It is
no unbiased compression; it needs a memory, from which worker i takes off P (M_iᵀ P)ᵀ.

Ours orthonormalizes by QR where theirs has Gram-Schmidt with a guard, and a column of Q that comes
out as zero (a gradient of zeros) keeps its old direction. Layers for which the factors are no
smaller, as biases, travel uncompressed beside the first factor.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, positive_int
from mlsys_lib.gradient_compression.aggregate import (
    Aggregated,
    Collective,
    float32_of,
    ring_bytes,
)
from mlsys_lib.gradient_compression.compressor import as_gradient
from mlsys_lib.gradient_compression.spectral import matrix_shapes, split_layers


class PowerSGD(Collective):
    """Low-rank compression of each layer, with state: every rank needs its own object.

    Parameters
    ----------
    shapes : sequence of tuples of int
        The layers whose gradients, flattened and joined, make x; see `matrix_shapes`.
    rank_r : int
        r.
    seed : int
        Of the first Q, the same on every rank.

    Attributes
    ----------
    factors : dict of int to ndarray of shape (d_in, r), float64
        Q of each compressed layer, by its number; the same on every rank.

    Notes
    -----
    Two all-reduces of float32: Σ r d_out and the uncompressed layers, then Σ r d_in. Work: two
    products of M with a thin matrix, 4 r d_out d_in operations, and a QR of 2 r² d_out. Results are
    bitwise equal where ranks run the same numpy on the same kind of processor.
    """

    name = "PowerSGD"

    def __init__(self, shapes: Sequence[tuple[int, ...]], rank_r: int, *, seed: int = 0) -> None:
        self.shapes = matrix_shapes(shapes)
        self.rank_r = positive_int("rank_r", rank_r)
        rng = np.random.default_rng(integer("seed", seed, 0))
        self.factors = {
            layer: rng.normal(size=(columns, self.rank_r))
            for layer, (rows, columns) in enumerate(self.shapes)
            if self.rank_r * (rows + columns) < rows * columns
        }

    def aggregate(self, comm: Communicator, x: np.ndarray) -> Aggregated:
        """Return the mean over ranks in low rank, and update Q.

        Parameters
        ----------
        x : ndarray of shape (k,), floating
            This rank's gradient, or update with memory. Not modified.
        """
        layers = split_layers(as_gradient(x), self.shapes)
        thin = [m @ self.factors[i] if i in self.factors else m for i, m in enumerate(layers)]
        own, mean, cost = _mean_over_ranks(comm, thin)
        bases = {i: np.linalg.qr(mean[i])[0] for i in self.factors}
        own_q, mean_q, cost_q = _mean_over_ranks(comm, [layers[i].T @ bases[i] for i in bases])
        for i, own_factor, factor in zip(bases, own_q, mean_q, strict=True):
            own[i], mean[i] = bases[i] @ own_factor.T, bases[i] @ factor.T
            self.factors[i] = np.where(factor.any(axis=0), factor, self.factors[i])
        return Aggregated(_flat(mean), _flat(own), cost[0] + cost_q[0], cost[1] + cost_q[1])


def _mean_over_ranks(
    comm: Communicator, matrices: list[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], tuple[int, int]]:
    """Return this rank's matrices as float32, their means over ranks, and the bytes of both kinds.

    One all-reduce for all of them; the bytes are those of the message and those sent.
    """
    if not matrices:
        return [], [], (0, 0)
    shapes = [(m.shape[0], m.shape[1]) for m in matrices]
    values = float32_of(_flat(matrices))
    mean = ring_all_reduce(comm, values).astype(np.float64) / comm.world_size
    cost = values.nbytes, ring_bytes(comm, len(values))
    return split_layers(values, shapes), split_layers(mean, shapes), cost


def _flat(matrices: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([m.ravel() for m in matrices])
