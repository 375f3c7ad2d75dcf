"""AdamW: Adam whose weight decay shrinks the weights and stays out of the averages.

Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, arXiv:1711.05101,
algorithm 2. Before each step w ← (1 - η λ) w. The paper's λ is multiplied by the schedule alone;
ours, as torch's, by the learning rate that the schedule has set. In `Adam` λ w is a part of the
gradient and divided by √v with it, so weights with large gradients decay less.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mlsys_lib.optimizers.adam import Adam


class AdamW(Adam):
    """Adam with decoupled weight decay.

    Parameters
    ----------
    weights, learning_rate, decays, eps, bias_correction, amsgrad, maximize
        As for `Adam`.
    weight_decay : float
        λ ≥ 0: a step shrinks the weights by the factor 1 - η λ.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> AdamW([w], learning_rate=0.1).step([np.array([1.0])])
    >>> print(w)
    [0.899]
    """

    decoupled: ClassVar[bool] = True

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-3,
        decays: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        bias_correction: bool = True,
        amsgrad: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            weights,
            learning_rate=learning_rate,
            decays=decays,
            eps=eps,
            weight_decay=weight_decay,
            bias_correction=bias_correction,
            amsgrad=amsgrad,
            maximize=maximize,
        )
