"""Shampoo: precondition a matrix of gradients from the left and from the right.

Gupta, Koren & Singer, "Shampoo: preconditioned stochastic tensor optimization", ICML 2018,
arXiv:1802.09568, algorithms 1 and 2:

    L ← L + G Gᵀ,    R ← R + Gᵀ G,    W ← W - η L^(-1/4) G R^(-1/4)

L and R begin at ε I. An array with k axes has k such matrices, each to the power -1/(2k); for a
vector this is AdaGrad with the full matrix. Powers come from an eigendecomposition in every step;
large-scale versions take them every hundred steps and cut large axes into blocks.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import positive
from mlsys_lib.optimizers.base import Optimizer, State


class Shampoo(Optimizer):
    """Shampoo.

    Parameters
    ----------
    weights, learning_rate, weight_decay, maximize
        As for `Optimizer`; λ w is added to the gradient.
    eps : float
        ε > 0: what the matrices begin with on their diagonals.

    Notes
    -----
    State: `statistics_0`, `statistics_1`, …: a matrix of shape (n_i, n_i) for axis i. A step
    costs O(Σ n_i³ + k Σ n_i) operations for an array of k = Π n_i numbers, and Σ n_i² numbers of
    memory.

    Examples
    --------
    >>> w = np.zeros((2, 2))
    >>> Shampoo([w], learning_rate=1.0).step([np.diag([4.0, 0.01])])
    >>> print(w.round(3) + 0.0)
    [[-1.    0.  ]
     [ 0.   -0.707]]
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-2,
        eps: float = 1e-4,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        self.eps = positive("eps", eps)
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        self.state = [
            {f"statistics_{i}": self.eps * np.eye(n, dtype=w.dtype) for i, n in enumerate(w.shape)}
            for w in map(np.atleast_1d, self.weights)
        ]

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        if not w.size:
            return
        g = (-g if self.maximize else g) + self.weight_decay * w
        direction = g = np.atleast_1d(g)
        for axis, statistics in enumerate(state.values()):
            unfolded = np.moveaxis(g, axis, 0).reshape(g.shape[axis], -1)
            statistics += unfolded @ unfolded.T
            root = inverse_root(statistics, 2 * g.ndim)
            direction = np.moveaxis(np.tensordot(root, direction, axes=(1, axis)), 0, axis)
        w -= self.learning_rate * direction.reshape(w.shape)


def inverse_root(matrix: np.ndarray, order: int) -> np.ndarray:
    """Return matrix^(-1/order) of a symmetric positive definite matrix, in its dtype."""
    values, vectors = np.linalg.eigh(matrix.astype(np.float64))
    floor = np.finfo(matrix.dtype).eps * values[-1]  # rounding can make the least one negative
    powers = np.maximum(values, floor) ** (-1 / order)
    return np.asarray((vectors * powers) @ vectors.T, matrix.dtype)
