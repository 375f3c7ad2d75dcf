"""Where FedAvg and FedProx end on quadratics: beside the minimum, and exactly where.

Let f_i(w) = ½ (w - c_i)ᵀ H_i (w - c_i). E full gradient steps from w on f_i + λ/2 ‖· - w‖² lead to

    w + (I - D_i) (H_i + λ I)^{-1} H_i (c_i - w),   D_i = (I - η (H_i + λ I))^E,

as D_i is what is left of the way to that problem's own minimum. If all clients take part, the
server is at rest where the mean of these moves is zero:

    Σ p_i M_i (w - c_i) = 0,   M_i = (I - D_i) (H_i + λ I)^{-1} H_i.

With λ = 0 and E = 1, M_i = η H_i and w is the minimum of f. With λ = 0 and E → ∞ it is the mean of
the clients' own minima. With an exact local solve λ → ∞ leads back to the minimum of f. That FedAvg
with a constant η ends beside the minimum is theorem 4 of Li, Huang, Yang, Wang & Zhang, "On the
convergence of FedAvg on non-IID data", ICLR 2020, arXiv:1907.02189; the closed form for all E and λ
is worked out here.
"""

import math
from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import non_negative, positive, positive_int
from mlsys_lib.federated_learning.clients import Client


def fixed_point(
    hessians: np.ndarray,
    minima: np.ndarray,
    client_weights: np.ndarray | Sequence[float],
    *,
    local_epochs: float,
    learning_rate: float,
    proximal_weight: float = 0.0,
) -> np.ndarray:
    """Return the weights that FedAvg or FedProx with full batches does not leave.

    Parameters
    ----------
    hessians : ndarray of shape (m, k, k)
        H_i, symmetric, positive definite.
    minima : ndarray of shape (m, k)
        c_i.
    client_weights : array of shape (m,)
        p_i that sum to one.
    local_epochs : int or math.inf
        E; inf is an exact local solve.
    learning_rate : float
        η < 2 / (largest eigenvalue of H_i + λ), or local steps diverge.
    proximal_weight : float
        λ ≥ 0; with 0 it is FedAvg.

    Returns
    -------
    ndarray of shape (k,)

    Notes
    -----
    m k³ operations.

    Examples
    --------
    ½ w² and 5 (w - 1)², whose mean has its minimum at 10/11:

    >>> hessians, minima = np.array([[[1.0]], [[10.0]]]), np.array([[0.0], [1.0]])
    >>> [
    ...     fixed_point(hessians, minima, [0.5, 0.5], local_epochs=E, learning_rate=0.05).item()
    ...     for E in (1, math.inf)
    ... ]
    [0.9090909090909091, 0.5]
    """
    hessians, minima, shares = _checked(hessians, minima, client_weights)
    lam = non_negative("proximal_weight", proximal_weight)
    rate = positive("learning_rate", learning_rate)
    exact = local_epochs == math.inf
    num_steps = 0 if exact else positive_int("local_epochs", local_epochs)
    largest = float(np.linalg.eigvalsh(hessians).max()) + lam
    if rate * largest >= 2:
        raise ValueError(f"learning_rate must be < {2 / largest}, or steps diverge, got {rate}")
    identity = np.eye(hessians.shape[1])
    moves = []
    for hessian in hessians:
        bent = hessian + lam * identity
        to_minimum = np.linalg.solve(bent, hessian)
        left = 0 if exact else np.linalg.matrix_power(identity - rate * bent, num_steps)
        moves.append((identity - left) @ to_minimum)
    weighted = shares[:, None, None] * np.array(moves)
    pull = np.einsum("ijk,ik->j", weighted, minima)
    return np.linalg.solve(weighted.sum(axis=0), pull)


def quadratic_minimum(
    hessians: np.ndarray, minima: np.ndarray, client_weights: np.ndarray | Sequence[float]
) -> np.ndarray:
    """Return the minimum of f = Σ p_i f_i, of shape (k,); parameters as for `fixed_point`."""
    hessians, minima, shares = _checked(hessians, minima, client_weights)
    weighted = shares[:, None, None] * hessians
    return np.linalg.solve(weighted.sum(axis=0), np.einsum("ijk,ik->j", weighted, minima))


def quadratic_client(hessian: np.ndarray, minimum: np.ndarray, num_examples: int = 0) -> Client:
    """Return a client whose mean `LeastSquares` loss is ½ (w - c)ᵀ H (w - c).

    Parameters
    ----------
    hessian : ndarray of shape (k, k)
        H, symmetric, positive definite.
    minimum : ndarray of shape (k,)
        c.
    num_examples : int
        A multiple of k; 0 for k. More examples repeat the k rows, and give the client more weight.

    Examples
    --------
    >>> client = quadratic_client(np.array([[4.0]]), np.array([3.0]))
    >>> client.X, client.y
    (array([[2.]]), array([6.]))
    """
    hessian, minimum = np.asarray(hessian, np.float64), np.asarray(minimum, np.float64)
    _checked(hessian[None], minimum[None], [1.0])
    k = len(minimum)
    repeats, rest = divmod(num_examples or k, k)
    if rest or repeats < 1:
        raise ValueError(f"num_examples must be a multiple of {k}, got {num_examples}")
    rows = math.sqrt(k) * np.linalg.cholesky(hessian).T  # the mean of k squares is over k
    X = np.tile(rows, (repeats, 1))
    return Client(X, X @ minimum)


def _checked(
    hessians: np.ndarray, minima: np.ndarray, client_weights: np.ndarray | Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hessians, minima = np.asarray(hessians, np.float64), np.asarray(minima, np.float64)
    shares = np.asarray(client_weights, np.float64)
    if minima.ndim != 2 or hessians.shape != (*minima.shape, minima.shape[1]):
        raise ValueError(
            f"hessians and minima must have shapes (m, k, k) and (m, k), "
            f"got {hessians.shape}, {minima.shape}"
        )
    if not (
        np.allclose(hessians, hessians.swapaxes(1, 2)) and (np.linalg.eigvalsh(hessians) > 0).all()
    ):
        raise ValueError("hessians must be symmetric and positive definite, one is not")
    if shares.shape != minima.shape[:1] or (shares < 0).any() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(f"client_weights must be {len(minima)} >= 0 that sum to one, got {shares}")
    return hessians, minima, shares
