"""AdaGrad: divide each coordinate's step by the size of all its gradients so far.

Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic
optimization", JMLR 12, 2011, https://jmlr.org/papers/v12/duchi11a.html:

    v ← v + g ⊙ g,    w ← w - η g / (√v + ε₀)

The paper's other form keeps the whole matrix Σ g gᵀ; ours is the diagonal one. ε₀ stands outside
the root, as in torch: without it a coordinate whose first gradient is 0 becomes 0 / 0.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import non_negative, positive
from mlsys_lib.optimizers.base import ElementwiseOptimizer, State


class Adagrad(ElementwiseOptimizer):
    """AdaGrad, the diagonal form.

    Parameters
    ----------
    weights, learning_rate, weight_decay, maximize
        As for `Optimizer`; λ w is added to the gradient.
    lr_decay : float
        In step t (from 0) the rate is η / (1 + t · lr_decay). 0 is the paper's form.
    initial_accumulator : float
        v before the first step.
    eps : float
        ε₀ > 0.

    Notes
    -----
    State: `second_moment`, v, the sum of squares.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> optimizer = Adagrad([w], learning_rate=0.1)
    >>> for gradient in (1.0, -2.0, 0.5):
    ...     optimizer.step([np.array([gradient])])
    >>> print(w)
    [0.96762093]
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-2,
        lr_decay: float = 0.0,
        initial_accumulator: float = 0.0,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        self.lr_decay = non_negative("lr_decay", lr_decay)
        self.initial_accumulator = non_negative("initial_accumulator", initial_accumulator)
        self.eps = positive("eps", eps)
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        self._remember("second_moment")
        for state in self.state:
            state["second_moment"].fill(self.initial_accumulator)

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        v = state["second_moment"]
        v += np.multiply(g, g, out=scratch)
        np.sqrt(v, out=scratch)
        scratch += self.eps
        np.divide(g, scratch, out=scratch)
        scratch *= self.learning_rate / (1 + (self.num_steps - 1) * self.lr_decay)
        w -= scratch
