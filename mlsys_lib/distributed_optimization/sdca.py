"""Stochastic dual coordinate ascent (SDCA): one example's dual number at a time, each step exact.

Shalev-Shwartz & Zhang, "Stochastic dual coordinate ascent methods for regularized loss
minimization", JMLR 14, 2013. In CoCoA (Ma et al., "Adding vs. averaging in distributed primal-dual
optimization", ICML 2015, arXiv:1502.03508) each worker improves its own block of the dual:

    max over Δ:  1/n Σ_j -ℓ*(-(ζ_j + Δ_j)) - 1/n w·XᵀΔ - ω′/(2 λ n²) ‖XᵀΔ‖²

where the sum goes over its own examples, n counts all, and the scale ω′ guards against what
the other workers do at the same time. With one worker and ω′ = 1 this is SDCA itself.

`plain_sdca` is the algorithm as it is told. `BlockSolver` takes the same steps in the same order
and is several times faster on sparse rows: within a block of examples it needs no row at all, only
the block's table of products x_i·x_j, which it keeps.
"""

from collections.abc import Iterator

import numpy as np

from mlsys_lib.core.validate import positive, positive_int
from mlsys_lib.distributed_optimization.losses import Loss
from mlsys_lib.distributed_optimization.rows import Table, row_products, squared_norms

BLOCK = 64
"""Examples to a block: their products fill 32 kB, and a block costs one product with its rows."""


def plain_sdca(
    X: Table,
    y: np.ndarray,
    dual: np.ndarray,
    weights: np.ndarray,
    loss: Loss,
    shrink: float,
    scale: float,
    order: np.ndarray,
) -> np.ndarray:
    """Take one exact step in each coordinate that `order` names, one after the other.

    Parameters
    ----------
    X : Table of shape (n_i, d)
        This worker's examples.
    y, dual : ndarrays of shape (n_i,)
        `dual` is changed in place.
    weights : ndarray of shape (d,)
        w, which all workers share. Not modified.
    shrink : float
        λ n, with n the examples of all workers.
    scale : float
        ω′, how much more the quadratic term weighs than for one worker alone.
    order : ndarray of integers
        Rows of X; a row may come more than once.

    Returns
    -------
    ndarray of shape (d,)
        XᵀΔ/(λ n), the change of w that belongs to the change of `dual`.
    """
    local = weights.copy()  # w + ω′ XᵀΔ/(λn)
    sizes = scale / shrink * squared_norms(X)
    for j in order:
        row = X[j : j + 1]
        best = loss.best_dual(dual[j], y[j], float((row @ local)[0]), sizes[j])
        local += row.T @ np.array([scale / shrink * (best - dual[j])])
        dual[j] = best
    return np.asarray((local - weights) / scale)


class BlockSolver:
    """The steps of `plain_sdca`, a block of examples at a time.

    A pass goes once over every example. The blocks are drawn once; a pass takes them in a new
    order, and the examples of each in a new order. (The paper draws every example anew, with
    replacement.)

    Parameters
    ----------
    X : Table of shape (n_i, d)
        Not empty, or there is nothing to solve and `solve` returns zeros.
    y : ndarray of shape (n_i,)
    loss : Loss
    rng : numpy.random.Generator
        Of the blocks and of all orders.

    Notes
    -----
    Memory: n_i · BLOCK products of rows, kept; a step costs BLOCK multiplications instead of a
    row's entries.
    """

    def __init__(self, X: Table, y: np.ndarray, loss: Loss, rng: np.random.Generator) -> None:
        self._loss = loss
        self._rng = rng
        rows = rng.permutation(X.shape[0])
        self._rows = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
        self._tables = [X[rows] for rows in self._rows]
        self._targets = [y[rows] for rows in self._rows]
        self._products = [row_products(table) for table in self._tables]

    def orders(self, num_steps: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (block, positions in it) until `num_steps` examples have been named."""
        left = positive_int("num_steps", num_steps)
        while left > 0 and self._rows:
            for block in self._rng.permutation(len(self._rows)):
                order = self._rng.permutation(len(self._rows[block]))[:left]
                left -= len(order)
                yield int(block), order
                if left == 0:
                    return

    def solve(
        self, dual: np.ndarray, weights: np.ndarray, shrink: float, scale: float, num_steps: int
    ) -> np.ndarray:
        """Take `num_steps` steps; see `plain_sdca` for the parameters and what is returned."""
        positive("scale", scale)
        factor = scale / positive("shrink", shrink)
        local = weights.copy()
        for block, order in self.orders(num_steps):
            rows, X = self._rows[block], self._tables[block]
            before = dual[rows]
            after = self._pass(block, before, X @ local, factor, order)
            change = after - before
            if change.any():
                local += X.T @ (factor * change)
                dual[rows] = after
        return np.asarray((local - weights) / scale)

    def _pass(
        self, block: int, dual: np.ndarray, z: np.ndarray, factor: float, order: np.ndarray
    ) -> np.ndarray:
        """Return the block's dual numbers after a step in each of `order`; z are its scores."""
        best_dual = self._loss.best_dual
        products = factor * self._products[block]
        sizes, y, new = products.diagonal().tolist(), self._targets[block].tolist(), dual.tolist()
        shift = np.empty_like(z)
        for j in order.tolist():
            old = new[j]
            best = best_dual(old, y[j], z.item(j), sizes[j])
            if best != old:
                np.multiply(products[j], best - old, out=shift)
                z += shift
                new[j] = best
        return np.array(new)
