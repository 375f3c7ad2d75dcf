"""Gradient descent on batches, with momentum, dampening, Nesterov's form and weight decay.

Robbins & Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22(3), 1951,
doi:10.1214/aoms/1177729586; momentum as in Sutskever, Martens, Dahl & Hinton, "On the importance of
initialization and momentum in deep learning", ICML 2013. The arithmetic is torch.optim.SGD's:

    v ← δ v + (1 - dampening) g,    w ← w - η v

η stands outside the buffer v. So a change of η acts at once on all that v has gathered; in
Polyak's form (`heavy_ball`) it does not.
"""

from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import non_negative
from mlsys_lib.optimizers.base import ElementwiseOptimizer, State
from mlsys_lib.optimizers.ranges import fraction


class SGD(ElementwiseOptimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    weights, learning_rate, weight_decay, maximize
        As for `Optimizer`; λ w is added to the gradient.
    momentum : float
        δ in [0, 1): share of the buffer that is kept.
    dampening : float
        In [0, 1]; the gradient enters the buffer times 1 - dampening, the first one whole.
    nesterov : bool
        Step along g + δ v instead of v. Needs momentum and no dampening.

    Notes
    -----
    State: `velocity`, v, if there is momentum. A step costs 2 to 6 operations a weight.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> optimizer = SGD([w], learning_rate=0.1, momentum=0.9)
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
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        maximize: bool = False,
    ) -> None:
        self.momentum = fraction("momentum", momentum)
        self.dampening = non_negative("dampening", dampening)
        if self.dampening > 1:
            raise ValueError(f"dampening must be in [0, 1], got {dampening}")
        self.nesterov = bool(nesterov)
        if nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError(
                "nesterov must come with momentum > 0 and dampening 0, "
                f"got {self.momentum} and {self.dampening}"
            )
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        self._remember(*(["velocity"] if self.momentum else []))

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        step = self._gather(g, state["velocity"], scratch) if self.momentum else g
        w -= np.multiply(step, self.learning_rate, out=scratch)

    def _gather(self, g: np.ndarray, v: np.ndarray, scratch: np.ndarray) -> np.ndarray:
        """Bring the buffer up to date, and return what to step along."""
        v *= self.momentum
        if self.dampening and self.num_steps > 1:
            v += np.multiply(g, 1 - self.dampening, out=scratch)
        else:
            v += g
        if not self.nesterov:
            return v
        np.multiply(v, self.momentum, out=scratch)
        scratch += g
        return scratch
