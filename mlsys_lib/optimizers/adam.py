"""Adam: a running average of gradients, divided by the root of one of their squares.

Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, arXiv:1412.6980, algorithm 1:

    u ← δ₁ u + (1 - δ₁) g,    v ← δ₂ v + (1 - δ₂) g ⊙ g
    w ← w - η û / (√v̂ + ε₀),    û = u / (1 - δ₁ᵗ),    v̂ = v / (1 - δ₂ᵗ)

Ours does the same in the order of the paper's section 2: η √(1 - δ₂ᵗ) / (1 - δ₁ᵗ) once a step, and
ε₀ scaled to match, so that the averages are not corrected element by element. `bias_correction=
False` takes u and v as they are, as the cheat sheet prints it; the first step is then
(1 - δ₁) / √(1 - δ₂) = 3.16 times η. AMSGrad is Reddi, Kale & Kumar, "On the convergence of Adam
and beyond", ICLR 2018, arXiv:1904.09237, as torch has it: the largest v so far, then corrected.
"""

import math
from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import positive
from mlsys_lib.optimizers.base import ElementwiseOptimizer, State
from mlsys_lib.optimizers.ranges import two_fractions


class Adam(ElementwiseOptimizer):
    """Adam.

    Parameters
    ----------
    weights, learning_rate, weight_decay, maximize
        As for `Optimizer`; λ w is added to the gradient (in `AdamW` it is not).
    decays : tuple of two floats
        (δ₁, δ₂) in [0, 1): shares that the averages of g and of g ⊙ g keep.
    eps : float
        ε₀ > 0, outside the root.
    bias_correction : bool
        Undo that both averages begin at 0.
    amsgrad : bool
        Divide by the largest v so far.

    Notes
    -----
    State: `first_moment` u, `second_moment` v, and with amsgrad `max_second_moment`. A step reads
    four arrays of the model's size, writes three, and computes 12 operations a weight.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> optimizer = Adam([w], learning_rate=0.1)
    >>> for gradient in (1.0, -2.0, 0.5):
    ...     optimizer.step([np.array([gradient])])
    >>> print(w, optimizer.num_steps)
    [0.95027942] 3
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-3,
        decays: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        bias_correction: bool = True,
        amsgrad: bool = False,
        maximize: bool = False,
    ) -> None:
        self.decays = two_fractions("decays", decays)
        self.eps = positive("eps", eps)
        self.bias_correction = bool(bias_correction)
        self.amsgrad = bool(amsgrad)
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        extra = ["max_second_moment"] if self.amsgrad else []
        self._remember("first_moment", "second_moment", *extra)

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        keep_first, keep_second = self.decays
        u, v = state["first_moment"], state["second_moment"]
        np.subtract(g, u, out=scratch)
        scratch *= 1 - keep_first
        u += scratch
        np.multiply(g, g, out=scratch)
        scratch *= 1 - keep_second
        v *= keep_second
        v += scratch
        if self.amsgrad:
            v = np.maximum(state["max_second_moment"], v, out=state["max_second_moment"])
        first, second = self._corrections()
        np.sqrt(v, out=scratch)
        scratch += self.eps * second
        np.divide(u, scratch, out=scratch)
        scratch *= self.learning_rate * second / first
        w -= scratch

    def _corrections(self) -> tuple[float, float]:
        """Return 1 - δ₁ᵗ and √(1 - δ₂ᵗ)."""
        if not self.bias_correction:
            return 1.0, 1.0
        first, second = (1 - decay**self.num_steps for decay in self.decays)
        return first, math.sqrt(second)
