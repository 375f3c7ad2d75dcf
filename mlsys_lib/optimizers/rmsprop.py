"""RMSprop: divide each coordinate's step by a running average of its gradients' size.

Tieleman & Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural networks for machine learning, 2012;
the centered form is Graves, "Generating sequences with recurrent neural networks", 2013,
arXiv:1308.0850:

    v ← δ v + (1 - δ) g ⊙ g,    w ← w - η g / (√v + ε₀)

v begins at 0 and is not corrected for it, so the first step is η / √(1 - δ): ten times η for
δ = 0.99. ε₀ stands outside the root, as in torch; Graves has it inside. Where rounding makes a
centered variance negative, ours takes 0 and torch's becomes NaN.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import positive
from mlsys_lib.optimizers.base import ElementwiseOptimizer, State
from mlsys_lib.optimizers.ranges import fraction


class RMSprop(ElementwiseOptimizer):
    """RMSprop.

    Parameters
    ----------
    weights, learning_rate, weight_decay, maximize
        As for `Optimizer`; λ w is added to the gradient.
    decay : float
        δ in [0, 1), of the averages.
    eps : float
        ε₀ > 0.
    momentum : float
        In [0, 1); above 0 the steps are gathered in a buffer as `SGD` gathers gradients.
    centered : bool
        Divide by the standard deviation: subtract the squared average of the gradients from v.

    Notes
    -----
    State: `second_moment`, v; `first_moment` if centered; `velocity` with momentum.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> optimizer = RMSprop([w], learning_rate=0.1)
    >>> for gradient in (1.0, -2.0, 0.5):
    ...     optimizer.step([np.array([gradient])])
    >>> print(w)
    [0.67584951]
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-2,
        decay: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        maximize: bool = False,
    ) -> None:
        self.decay = fraction("decay", decay)
        self.eps = positive("eps", eps)
        self.momentum = fraction("momentum", momentum)
        self.centered = bool(centered)
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        extra = ["first_moment"] * self.centered + ["velocity"] * bool(self.momentum)
        self._remember("second_moment", *extra)

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        v = state["second_moment"]
        v *= self.decay
        np.multiply(g, g, out=scratch)
        scratch *= 1 - self.decay
        v += scratch
        if self.centered:
            self._variance(g, state, scratch)
            v = scratch
        np.sqrt(v, out=scratch)
        scratch += self.eps
        step = np.divide(g, scratch, out=scratch)
        if self.momentum:
            state["velocity"] *= self.momentum
            state["velocity"] += step
            step = state["velocity"]
        w -= np.multiply(step, self.learning_rate, out=scratch)

    def _variance(self, g: np.ndarray, state: State, out: np.ndarray) -> None:
        """Bring the average of the gradients up to date, and fill `out` with their variance."""
        u = state["first_moment"]
        np.subtract(g, u, out=out)
        out *= 1 - self.decay
        u += out
        np.multiply(u, u, out=out)
        np.subtract(state["second_moment"], out, out=out)
        np.maximum(out, 0, out=out)  # of equal gradients rounding can leave less than 0
