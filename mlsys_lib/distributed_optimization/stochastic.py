"""Stochastic gradient descent: steps along the gradient of a few examples.

    w_{t+1} = w_t - η_t 1/b Σ_{j in B_t} ∇f_j(w_t)

Robbins & Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22(3), 1951,
doi:10.1214/aoms/1177729586. A step costs b k operations and no pass over the data. With a constant
step the iterates do not settle: on ½ w² with noise of variance σ² they end up with the variance
`stationary_variance` (η, σ²).

>>> from mlsys_lib.distributed_optimization.noisy_sums import NoisySum
>>> from mlsys_lib.distributed_optimization.worst_cases import Quadratic
>>> noisy = NoisySum(Quadratic(np.ones(1)), np.array([[1.0], [-1.0]]))
>>> run = sgd(noisy, noisy.start, 5000, 0.5, np.random.default_rng(0), keep_iterates=True)
>>> round(float(run.iterates[100:].var()), 2), round(stationary_variance(0.5), 2)
(0.33, 0.33)
"""

import math
from collections.abc import Callable

import numpy as np

from mlsys_lib.core.validate import non_negative, one_of, positive
from mlsys_lib.distributed_optimization.sampling import SumOfExamples, batches
from mlsys_lib.distributed_optimization.step_sizes import StepSize, as_rule
from mlsys_lib.distributed_optimization.trace import Descent, Trace, equal_weight, run

AVERAGINGS: dict[str, Callable[[int], float]] = {
    "equal": equal_weight,
    "rising": lambda step: step + 1.0,
}


def sgd(
    objective: SumOfExamples,
    start: np.ndarray,
    num_steps: int,
    learning_rate: float | StepSize,
    rng: np.random.Generator,
    *,
    batch_size: int = 1,
    sampling: str = "with_replacement",
    averaging: str = "equal",
    record_every: int = 1,
    keep_iterates: bool = False,
) -> Descent:
    """Step against the mean gradient of a batch.

    Parameters
    ----------
    objective : SumOfExamples
    start : ndarray of shape (k,)
        w_0, finite. Not modified.
    num_steps : int
        T >= 0: steps, not epochs.
    learning_rate : float, or rule from `step_sizes`
        η.
    rng : Generator
        Draws the batches, and nothing else.
    batch_size : int
        b, at most the number of examples.
    sampling : str
        "with_replacement", "without_replacement" or "epochs"; see `batches`.
    averaging : str
        Weights of w_0 … w_{T-1} in `Descent.average`: "equal" (Polyak & Juditsky, SIAM Journal on
        Control and Optimization 30(4), 1992, doi:10.1137/0330046), or "rising", t + 1
        (Lacoste-Julien, Schmidt & Bach, 2012, arXiv:1212.2002).
    record_every : int
        f, which reads all data, is computed at every so many steps, and at the last.
    keep_iterates : bool

    Returns
    -------
    Descent
        Cut short where w, or a recorded f, stops being finite.

    Notes
    -----
    For f G-Lipschitz, G² >= E‖g‖²: steps R_w/(G √T) and the equal average have
    E f - f* <= R_w G/√T.
    For f strongly convex besides: steps 2/(μ (t + 2)) and the rising average have
    E f - f* <= 2 G²/(μ (T + 1)). Lacoste-Julien et al. project onto a set, ours does not.
    """
    rule = as_rule(learning_rate)
    weight = AVERAGINGS[one_of("averaging", averaging, AVERAGINGS)]
    stream = batches(objective.num_examples, batch_size, sampling, rng)
    trace = Trace(
        objective,
        start,
        num_steps,
        record_every=record_every,
        keep_iterates=keep_iterates,
        averaging=weight,
    )
    return run(trace, lambda t, w: w - rule(t) * objective.batch_gradient(w, next(stream)))


def stationary_variance(learning_rate: float, variance: float = 1.0) -> float:
    """Return where the variance of w ends on ½ w², η σ² / (2 - η), for 0 < η < 2.

    w_{t+1} = (1 - η) w_t - η ξ_t, so the variance solves v = (1 - η)² v + η² σ².
    """
    if positive("learning_rate", learning_rate) >= 2:
        raise ValueError(f"learning_rate must be < 2 to have a limit, got {learning_rate!r}")
    return learning_rate * non_negative("variance", variance) / (2 - learning_rate)


def variance_after(learning_rate: float, num_steps: int, variance: float = 1.0) -> float:
    """Return the variance of w_t on ½ w² from a fixed start: that limit times 1 - (1 - η)^(2t)."""
    limit = stationary_variance(learning_rate, variance)
    return limit * (1 - math.pow(1 - learning_rate, 2 * num_steps))
