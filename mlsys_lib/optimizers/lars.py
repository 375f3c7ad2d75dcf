"""LARS: momentum, with a learning rate for each array from the lengths of weights and gradient.

You, Gitman & Ginsburg, "Large batch training of convolutional networks", 2017, arXiv:1708.03888,
algorithm 1:

    rate = η · trust · ‖w‖ / (‖g‖ + λ ‖w‖),    v ← δ v + rate (g + λ w),    w ← w - v

The rate stands inside the buffer, unlike torch's SGD. An array whose ‖w‖ or ‖g‖ is 0 takes rate η:
the paper leaves that open. Here every array is scaled; give biases and normalization to an
optimizer of their own, as most users of LARS do.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import positive
from mlsys_lib.optimizers.base import Optimizer, State
from mlsys_lib.optimizers.ranges import fraction


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling.

    Parameters
    ----------
    weights, learning_rate, maximize
        As for `Optimizer`.
    momentum : float
        δ in [0, 1).
    weight_decay : float
        λ ≥ 0, added to the gradient and to its length.
    trust : float
        > 0; η in the paper, whose learning rate is γ.

    Notes
    -----
    State: `velocity`, v. Without λ the first step moves each array by η · trust · ‖w‖.

    Examples
    --------
    >>> w = np.array([3.0, 4.0])
    >>> LARS([w], learning_rate=1.0, trust=0.1).step([np.array([7.0, 0.0])])
    >>> print(w)
    [2.5 4. ]
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 1e-3,
        maximize: bool = False,
    ) -> None:
        self.momentum = fraction("momentum", momentum)
        self.trust = positive("trust", trust)
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        self._remember("velocity")

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        g = -g if self.maximize else g
        weight_length, gradient_length = float(np.linalg.norm(w)), float(np.linalg.norm(g))
        rate = self.learning_rate
        if weight_length and gradient_length:
            total = gradient_length + self.weight_decay * weight_length
            rate *= self.trust * weight_length / total
        v = state["velocity"]
        v *= self.momentum
        v += rate * (g + self.weight_decay * w)
        w -= v
