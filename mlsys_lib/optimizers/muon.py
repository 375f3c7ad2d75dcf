"""Muon: momentum for matrices, with all singular values of a step brought near one.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/; scale "match_rms_adamw" is Liu et al., "Muon is scalable
for LLM training", 2025, arXiv:2502.16982:

    U ← δ U + (1 - δ) G,    O = NewtonSchulz((1 - δ) G + δ U),    W ← (1 - η λ) W - η scale · O

The options are torch.optim.Muon's. It iterates in bfloat16, ours in the dtype of the weights.
"""

import math
from collections.abc import Sequence

import numpy as np

from mlsys_lib.core.validate import one_of, positive, positive_int
from mlsys_lib.optimizers.base import Optimizer, State
from mlsys_lib.optimizers.ranges import fraction

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
SCALES = ("original", "match_rms_adamw")


class Muon(Optimizer):
    """Muon, for matrices alone.

    Parameters
    ----------
    weights, learning_rate, maximize
        As for `Optimizer`; every array has two axes.
    weight_decay : float
        λ ≥ 0: a step shrinks the weights by the factor 1 - η λ.
    momentum : float
        δ in [0, 1).
    nesterov : bool
        Mix the new gradient once more into the direction.
    coefficients : tuple of three floats
        (a, b, c) of `newton_schulz`.
    num_iterations : int
    eps : float
        Least length that a direction is divided by.
    scale : {"original", "match_rms_adamw"}
        √max(1, rows / columns), or 0.2 √max(rows, columns).

    Notes
    -----
    State: `first_moment`, U. A step costs `num_iterations` times 3 products of matrices.

    Examples
    --------
    >>> w = np.zeros((2, 2))
    >>> Muon([w], learning_rate=1.0).step([np.diag([100.0, 20.0])])
    >>> print(w.round(2) + 0.0)
    [[-0.72  0.  ]
     [ 0.   -0.8 ]]
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        *,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        coefficients: tuple[float, float, float] = COEFFICIENTS,
        num_iterations: int = 5,
        eps: float = 1e-7,
        scale: str = "original",
        maximize: bool = False,
    ) -> None:
        self.momentum = fraction("momentum", momentum)
        self.nesterov = bool(nesterov)
        self.coefficients = _three(coefficients)
        self.num_iterations = positive_int("num_iterations", num_iterations)
        self.eps = positive("eps", eps)
        self.scale = one_of("scale", scale, SCALES)
        super().__init__(
            weights, learning_rate=learning_rate, weight_decay=weight_decay, maximize=maximize
        )
        for i, w in enumerate(self.weights):
            if w.ndim != 2:
                raise ValueError(f"weights[{i}] must have two axes, got shape {w.shape}")
        self._remember("first_moment")

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        if not w.size:
            return
        g = -g if self.maximize else g
        u = state["first_moment"]
        u += (1 - self.momentum) * (g - u)
        direction = g + self.momentum * (u - g) if self.nesterov else u
        direction = newton_schulz(direction, self.coefficients, self.num_iterations, self.eps)
        w *= 1 - self.learning_rate * self.weight_decay
        w -= self.learning_rate * self._factor(*w.shape) * direction

    def _factor(self, num_rows: int, num_columns: int) -> float:
        if self.scale == "original":
            return math.sqrt(max(1.0, num_rows / num_columns))
        return 0.2 * math.sqrt(max(num_rows, num_columns))


def newton_schulz(
    matrix: np.ndarray,
    coefficients: tuple[float, float, float] = COEFFICIENTS,
    num_iterations: int = 5,
    eps: float = 1e-7,
) -> np.ndarray:
    """Bring the singular values of a matrix near one and keep its singular vectors.

    Divide by the Frobenius norm, then repeat X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X. On a singular
    value s this is the polynomial a s + b s³ + c s⁵. The coefficients are chosen for a steep slope
    at 0, so five repetitions end between about 0.7 and 1.2, and do not converge to 1.

    Parameters
    ----------
    matrix : ndarray of shape (rows, columns)
        Not modified.

    Returns
    -------
    ndarray of the same shape and dtype
    """
    a, b, c = coefficients
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix  # the smaller product
    x = x / max(float(np.linalg.norm(x)), eps)
    for _ in range(num_iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def _three(coefficients: tuple[float, float, float]) -> tuple[float, float, float]:
    if len(coefficients) != 3 or not all(map(math.isfinite, coefficients)):
        raise ValueError(f"coefficients must be three finite numbers, got {coefficients}")
    a, b, c = map(float, coefficients)
    return a, b, c
