"""The weights whose worst client is best off: agnostic federated learning, solved exactly.

Mohri, Sivek & Suresh, "Agnostic federated learning", ICML 2019, arXiv:1902.00146:

    min over w, max over p in the simplex:  Σ_i p_i F_i(w)  =  max_i F_i(w)

q-FFL tends to it as q → ∞. The paper walks down in w and up in p by stochastic steps, for many
rounds. Ours is for small cases, where an exact answer is wanted to compare with: the gradient
method for a maximum of smooth convex functions (Nesterov, "Introductory lectures on convex
optimization", 2004, section 2.3). Each step replaces every F_i by its tangent,

    w ← argmin over v:  max_i [F_i(w) + ∇F_i(w)·(v - w)] + L/2 ‖v - w‖²,

which is v = w - Σ p_i ∇F_i(w)/L for the mixture p that maximises Σ p_i F_i - ‖Σ p_i ∇F_i‖²/(2L).
L is found on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import positive, positive_int
from mlsys_lib.federated_learning.clients import Client, check_clients
from mlsys_lib.federated_learning.model import Model
from mlsys_lib.federated_learning.objective import client_gradients, client_losses


@dataclass(frozen=True, eq=False)
class Minimax:
    """Where the largest of the clients' losses is smallest.

    Attributes
    ----------
    weights : ndarray of shape (k,)
    losses : ndarray of shape (m,)
        F_i there.
    mixture : ndarray of shape (m,)
        The p for which these weights are the hardest case: Σ p_i ∇F_i is 0, and p_i > 0 only
        where F_i is the largest loss.
    residual : float
        Size of the last step's Σ p_i ∇F_i.
    num_steps : int
    """

    weights: np.ndarray
    losses: np.ndarray
    mixture: np.ndarray
    residual: float
    num_steps: int


def minimax_weights(
    model: Model,
    clients: Sequence[Client],
    start: np.ndarray,
    *,
    tolerance: float = 1e-8,
    max_steps: int = 10_000,
) -> Minimax:
    """Minimise the largest mean loss of a client.

    Parameters
    ----------
    model : Model
        Its losses must be convex and smooth in the weights.
    clients : sequence of Client
        m of them.
    start : ndarray of shape (k,)
        Not modified.
    tolerance : float
        Stop once ‖Σ p_i ∇F_i‖ is at most this.
    max_steps : int

    Returns
    -------
    Minimax

    Raises
    ------
    ValueError
        For no clients, a start that does not fit the model or is not finite, or if the tolerance
        is not reached: the maximum has no minimum, or `max_steps` is too small.

    Notes
    -----
    A step costs the gradients of all clients, once for each L that is tried, and a quadratic
    program of m numbers.

    Examples
    --------
    Half squared errors w²/2 + 0.1 and 2(w - 1)² + 0.1. They meet at w = 2/3.

    >>> from mlsys_lib.federated_learning.model import LeastSquares
    >>> noise = np.sqrt([0.2, 0.2]) * [1, -1]
    >>> clients = [Client(np.ones((2, 1)), noise), Client(2 * np.ones((2, 1)), 2 + noise)]
    >>> found = minimax_weights(LeastSquares(1), clients, np.zeros(1))
    >>> found.weights.round(6).tolist(), found.losses.round(6).tolist()
    ([0.666667], [0.322222, 0.322222])
    >>> found.mixture.round(6).tolist()
    [0.666667, 0.333333]
    """
    check_clients(clients)
    weights = np.array(start, dtype=float)
    if weights.shape != (model.num_weights,) or not np.isfinite(weights).all():
        raise ValueError(f"start must be {model.num_weights} finite numbers, got {start}")
    positive("tolerance", tolerance)
    smoothness, gradients = 1.0, client_gradients(model, weights, clients)
    for step in range(1, positive_int("max_steps", max_steps) + 1):
        losses = client_losses(model, weights, clients)
        smoothness /= 2  # so that L can also fall
        while True:
            mixture = worst_mixture(losses, gradients @ gradients.T / smoothness)
            slope = mixture @ gradients
            moved = weights - slope / smoothness
            after = client_gradients(model, moved, clients)
            if _curves_less(gradients, after, moved - weights, smoothness):
                break
            smoothness *= 2
        weights, gradients, residual = moved, after, float(np.linalg.norm(slope))
        if residual <= tolerance:
            return Minimax(weights, client_losses(model, weights, clients), mixture, residual, step)
    raise ValueError(
        f"max_steps must suffice for a residual of {tolerance:g}, got {max_steps}: "
        f"it is still {residual:.3g}"
    )


def worst_mixture(losses: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Return the p in the simplex that maximises p·F - p·Qp/2.

    An active-set method: solve as if only some p_i were above 0; where the answer leaves the
    simplex, stop at its border and drop that client; if another client would raise the value, let
    it in. Exact but for 1e-13 of Q's trace, which is added to its diagonal: clients may be equal.

    Parameters
    ----------
    losses : ndarray of shape (m,)
        F.
    products : ndarray of shape (m, m)
        Q, positive semidefinite.
    """
    m = len(losses)
    products = products + 1e-13 * (np.trace(products) + np.finfo(float).tiny) * np.eye(m)
    mixture = np.zeros(m)
    active = [int(np.argmax(losses - np.diag(products) / 2))]
    mixture[active] = 1.0
    for _ in range(100 * m):
        best, value = _on_face(losses[active], products[np.ix_(active, active)])
        if best.min() < 0:
            now = mixture[active]
            room = np.where(best < 0, now / np.maximum(now - best, np.finfo(float).tiny), np.inf)
            mixture[active] = np.maximum(now + room.min() * (best - now), 0.0)
            mixture[active[int(room.argmin())]] = 0.0
            active = [i for i in active if mixture[i] > 0]
            continue
        mixture[active] = best
        gains = losses - products @ mixture - value
        gains[active] = 0.0
        entering = int(gains.argmax())
        if gains[entering] <= 1e-14 * np.abs(losses).max():
            break
        active.append(entering)
    return np.asarray(mixture / mixture.sum())


def _on_face(losses: np.ndarray, products: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the best p with sum 1 and any signs, and what all its clients then gain alike."""
    m = len(losses)
    system = np.ones((m + 1, m + 1))
    system[:m, :m], system[m, m] = products, 0.0
    solved = np.linalg.solve(system, np.append(losses, 1.0))
    return solved[:m], float(solved[m])


def _curves_less(
    before: np.ndarray, after: np.ndarray, change: np.ndarray, smoothness: float
) -> bool:
    """Return whether L is large enough for this step.

    F_i is convex, so it exceeds its tangent by at most (∇F_i(v) - ∇F_i(w))·(v - w). Unlike the
    difference of two losses, this does not drown in rounding near the minimum.
    """
    excess = float(((after - before) @ change).max())
    return excess <= smoothness / 2 * float(change @ change)
