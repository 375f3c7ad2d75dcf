"""Spectral ATOMO: the atoms of a layer's gradient are its singular vectors.

Wang et al., "ATOMO", NeurIPS 2018, arXiv:1806.04090, section 4: a gradient M = Σ σ_i u_i v_iᵀ is
sent as the few u_i, v_i that came up, with the probabilities of `atomo`. Gradients of layers are
often near low rank, and then this costs less chance than sending entries at the same size.

Each layer is compressed by itself. A layer of one axis (a bias) is a matrix of one column, so one
atom; one of more than two axes is folded to (first, rest). Theirs folds convolutions otherwise, and
pairs the numbers of a bias.
"""

import math
from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import positive_int
from mlsys_lib.gradient_compression.atomo import checked_budget, draw_atoms
from mlsys_lib.gradient_compression.compressor import Compressor, as_gradient
from mlsys_lib.gradient_compression.wire import (
    Kind,
    MessageError,
    finish,
    open_message,
    pack_float32,
    pack_uint32,
    seal,
    take_float32,
    take_uint32,
)


class SpectralAtomo(Compressor):
    """ATOMO on the singular values of each layer.

    Parameters
    ----------
    shapes : sequence of tuples of int
        The layers whose gradients, flattened and joined, make x. Both sides know them.
    budget : float
        Atoms sent on average of each layer, in (0, largest rank of a layer]; a layer with fewer
        atoms sends all that it has.

    Notes
    -----
    An atom of a d_out × d_in layer costs 4 (1 + d_out + d_in) bytes: its scale, u and v as float32;
    beside them there are 5 bytes, and 4 a layer. Rounding u and v is no chance: the mean of what is
    decoded is off by at most 2⁻²³ Σ σ_i, so this is unbiased only up to float32. Costs a singular
    value decomposition, O(d_out d_in min(d_out, d_in)).

    Examples
    --------
    >>> x = np.outer([1.0, 2.0], [3.0, 0.0, 4.0]).ravel()  # rank 1: nothing is left to chance
    >>> SpectralAtomo([(2, 3)], budget=1).compress(x, np.random.default_rng(0)).round(5)
    array([3., 0., 4., 6., 0., 8.])
    """

    name = "spectral ATOMO"
    is_unbiased = True
    aggregation = "all_gather"

    def __init__(self, shapes: Sequence[tuple[int, ...]], budget: float) -> None:
        self.shapes = matrix_shapes(shapes)
        self.budget = checked_budget(budget, max(min(shape) for shape in self.shapes))

    def encode(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the message of a gradient; see `Compressor.encode`."""
        parts: list[np.ndarray] = []
        for matrix in split_layers(as_gradient(x), self.shapes):
            u, sigmas, v = np.linalg.svd(matrix, full_matrices=False)
            draw = draw_atoms(sigmas, min(self.budget, len(sigmas)), rng)
            sent = np.concatenate([draw.certain, draw.chosen])
            scales = np.where(np.arange(len(sent)) < len(draw.certain), sigmas[sent], draw.scale)
            atoms = np.concatenate([scales[:, None], u.T[sent], v[sent]], axis=1)
            parts += [pack_uint32(len(sent)), pack_float32(atoms.ravel())]
        return seal(Kind.SPECTRAL_ATOMO, len(x), *parts)

    def decode(self, message: np.ndarray) -> np.ndarray:
        """Return what a message means; see `Compressor.decode`."""
        num_elements, body = open_message(message, Kind.SPECTRAL_ATOMO)
        if num_elements != sum(rows * columns for rows, columns in self.shapes):
            raise MessageError(f"message must be of layers {self.shapes}, says {num_elements}")
        layers = []
        for rows, columns in self.shapes:
            (count,), body = take_uint32(body, 1)
            if count > min(rows, columns):
                raise MessageError(f"message says {count} atoms of a {rows} × {columns} layer")
            numbers, body = take_float32(body, count * (1 + rows + columns))
            atoms = numbers.reshape(count, 1 + rows + columns)
            scales, u, v = atoms[:, :1], atoms[:, 1 : 1 + rows], atoms[:, 1 + rows :]
            layers.append(((scales * u).T @ v).ravel())
        finish(body)
        return np.concatenate(layers)

    def error_bound(self, k: int) -> float:
        """Return the largest rank/budget - 1 of a layer, and what float32 adds."""
        worst = max(min(shape) / min(self.budget, min(shape)) for shape in self.shapes)
        return worst * (1 + 2.0**-20) - 1


def matrix_shapes(shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, int], ...]:
    """Return each layer's shape as a matrix: (d, 1) for one axis, else (first, product of rest).

    >>> matrix_shapes([(10, 784), (10,), (8, 3, 3, 3)])
    ((10, 784), (10, 1), (8, 27))
    """
    if not len(shapes) or not all(len(shape) for shape in shapes):
        raise ValueError(f"shapes must be one or more shapes of layers, got {list(shapes)}")
    sizes = [[positive_int(f"shapes[{i}]", size) for size in s] for i, s in enumerate(shapes)]
    return tuple((size[0], math.prod(size[1:])) for size in sizes)


def split_layers(x: np.ndarray, shapes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """Return the layers of a flat gradient as float64 matrices."""
    sizes = [rows * columns for rows, columns in shapes]
    if len(x) != sum(sizes):
        raise ValueError(f"x must have the {sum(sizes)} entries of shapes, got {len(x)}")
    parts = np.split(np.asarray(x, np.float64), np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
