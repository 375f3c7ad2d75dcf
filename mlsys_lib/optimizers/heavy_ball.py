"""Polyak's heavy ball: each step also repeats a share of the last one.

Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
Mathematics and Mathematical Physics 4(5), 1964, doi:10.1016/0041-5553(64)90137-5:

    w_{t+1} = w_t - η ∇f(w_t) + δ (w_t - w_{t-1}),    w_{-1} = w_0

For a constant η these are the iterates of `SGD` with momentum δ. When η changes they differ: here
the old steps keep the η they were taken with.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.optimizers.base import ElementwiseOptimizer, State
from mlsys_lib.optimizers.ranges import fraction


class HeavyBall(ElementwiseOptimizer):
    """Gradient descent with Polyak's momentum.

    Parameters
    ----------
    weights, learning_rate, maximize
        As for `Optimizer`.
    momentum : float
        δ in [0, 1).

    Notes
    -----
    State: `previous`, w_{t-1}.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> optimizer = HeavyBall([w], learning_rate=0.1, momentum=0.9)
    >>> for gradient in (1.0, -2.0, 0.5):
    ...     optimizer.step([np.array([gradient])])
    >>> print(w)
    [1.059]
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-3,
        momentum: float = 0.9,
        maximize: bool = False,
    ) -> None:
        self.momentum = fraction("momentum", momentum)
        super().__init__(weights, learning_rate=learning_rate, maximize=maximize)
        self.state = [{"previous": w.copy()} for w in self.weights]

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        np.subtract(w, state["previous"], out=scratch)
        state["previous"][:] = w
        scratch *= self.momentum
        w += scratch
        w -= np.multiply(g, self.learning_rate, out=scratch)
