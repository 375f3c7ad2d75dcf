"""LAMB: Adam's direction, with a length for each array that is a share of its weights' length.

You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020,
arXiv:1904.00962, algorithm 2:

    r = û / (√v̂ + ε₀) + λ w,    w ← w - η (‖w‖ / ‖r‖) r

with Adam's û and v̂. The paper's φ is the identity here. An array whose ‖w‖ or ‖r‖ is 0 takes
Adam's own step, as in the authors' code. That code also leaves biases and normalization out of the
scaling; here every array is scaled, so give those to an optimizer of their own.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import positive
from mlsys_lib.optimizers.base import Optimizer, State
from mlsys_lib.optimizers.ranges import two_fractions


class LAMB(Optimizer):
    """Layer-wise adaptive moments for batch training.

    Parameters
    ----------
    weights, learning_rate, maximize
        As for `Optimizer`.
    decays : tuple of two floats
        (δ₁, δ₂) in [0, 1).
    eps : float
        ε₀ > 0.
    weight_decay : float
        λ ≥ 0, added to Adam's direction before its length is taken.

    Notes
    -----
    State: `first_moment` u, `second_moment` v. A step moves each array by η ‖w‖.

    Examples
    --------
    >>> w = np.array([3.0, 4.0])
    >>> LAMB([w], learning_rate=0.1).step([np.array([7.0, 0.0])])
    >>> print(w)
    [2.5 4. ]
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-3,
        decays: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        self.decays = two_fractions("decays", decays)
        self.eps = positive("eps", eps)
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        self._remember("first_moment", "second_moment")

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        g = -g if self.maximize else g
        first, second = self.decays
        u, v = state["first_moment"], state["second_moment"]
        u += (1 - first) * (g - u)
        v += (1 - second) * (g * g - v)
        mean = u / (1 - first**self.num_steps)
        size = np.sqrt(v / (1 - second**self.num_steps))
        direction = mean / (size + self.eps) + self.weight_decay * w
        lengths = np.linalg.norm(w), np.linalg.norm(direction)
        ratio = float(lengths[0] / lengths[1]) if all(lengths) else 1.0
        w -= self.learning_rate * ratio * direction
