"""Nesterov's momentum: the gradient is asked for ahead, where the momentum leads.

Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k²)",
Soviet Mathematics Doklady 27(2), 1983; in this form Sutskever, Martens, Dahl & Hinton, ICML 2013:

    y_t = w_t + δ (w_t - w_{t-1}),    w_{t+1} = y_t - η ∇f(y_t)

Nesterov's δ depends on t; ours is a constant. `SGD(nesterov=True)` and torch hold y_t where we
hold w_t: for constant η and δ its weights after a step are `look_ahead()` here.
"""

import numpy as np

from mlsys_lib.optimizers.heavy_ball import HeavyBall


class Nesterov(HeavyBall):
    """Gradient descent with Nesterov's momentum, in the look-ahead form.

    Parameters
    ----------
    weights, learning_rate, maximize
        As for `Optimizer`.
    momentum : float
        δ in [0, 1).

    Notes
    -----
    State: `previous`, w_{t-1}. The arithmetic of a step is the heavy ball's. What differs is
    where the gradient is taken: the gradients that `step` takes are those at `look_ahead()`.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> optimizer = Nesterov([w], learning_rate=0.1, momentum=0.5)
    >>> for _ in range(2):  # the objective is w² / 2, its gradient at y is y
    ...     optimizer.step(optimizer.look_ahead())
    >>> print(w)
    [0.765]
    """

    def look_ahead(self) -> list[np.ndarray]:
        """Return y = w + δ (w - w_{t-1}) for each array, in new arrays."""
        pairs = zip(self.weights, self.state, strict=True)
        return [
            np.asarray(w + self.momentum * (w - state["previous"]), w.dtype) for w, state in pairs
        ]
