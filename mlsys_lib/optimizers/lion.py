"""Lion: every weight moves by the learning rate, in the direction of a sign.

Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, arXiv:2302.06675,
program 1:

    c = δ₁ u + (1 - δ₁) g,    w ← w - η (sign(c) + λ w),    u ← δ₂ u + (1 - δ₂) g

The sign is taken before u learns of g the second time. One array of state, where Adam has two.
A coordinate with c = 0 does not move.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mlsys_lib.optimizers.base import ElementwiseOptimizer, State
from mlsys_lib.optimizers.ranges import two_fractions


class Lion(ElementwiseOptimizer):
    """Lion.

    Parameters
    ----------
    weights, learning_rate, maximize
        As for `Optimizer`. The paper takes a rate 3 to 10 times smaller than Adam's.
    decays : tuple of two floats
        (δ₁, δ₂) in [0, 1): for the direction, and for what is remembered.
    weight_decay : float
        λ ≥ 0: a step shrinks the weights by the factor 1 - η λ.

    Notes
    -----
    State: `first_moment`, u.

    Examples
    --------
    >>> w = np.array([1.0, 1.0, 1.0])
    >>> Lion([w], learning_rate=0.1).step([np.array([1e-3, -50.0, 0.0])])
    >>> print(w)
    [0.9 1.1 1. ]
    """

    decoupled: ClassVar[bool] = True

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-4,
        decays: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        self.decays = two_fractions("decays", decays)
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        self._remember("first_moment")

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        for_direction, for_memory = self.decays
        u = state["first_moment"]
        np.subtract(g, u, out=scratch)
        scratch *= 1 - for_direction
        scratch += u
        np.sign(scratch, out=scratch)
        scratch *= self.learning_rate
        w -= scratch
        np.subtract(g, u, out=scratch)
        scratch *= 1 - for_memory
        u += scratch
