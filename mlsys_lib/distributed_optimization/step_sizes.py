"""Step-size rules: how far to go at each step, as a function of the step's number.

A rule is a function ``rule(step) -> float``, and the first step is step 0. The rules are those of
the convergence table: Nesterov, "Introductory lectures on convex optimization", 2004,
doi:10.1007/978-1-4419-8853-9; Bubeck, "Convex optimization: algorithms and complexity", 2015,
arXiv:1405.4980; Bottou, Curtis & Nocedal, "Optimization methods for large-scale machine learning",
SIAM Review 60(2), 2018, doi:10.1137/16M1080173. Papers count from 1; here t becomes step + 1.

>>> rule = inverse_sqrt(0.5)
>>> [rule(step) for step in (0, 3, 99)]
[0.5, 0.25, 0.05]
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from mlsys_lib.core.validate import non_negative, positive, positive_int

StepSize = Callable[[int], float]


@dataclass(frozen=True)
class _Power:
    """The rule scale / (step + shift)^power; a class, so that processes can be handed one."""

    scale: float
    shift: float
    power: float

    def __call__(self, step: int) -> float:
        return float(self.scale / (step + self.shift) ** self.power)


def constant(learning_rate: float) -> StepSize:
    """Return the rule η at every step."""
    rate = positive("learning_rate", learning_rate)
    return _Power(rate, 1.0, 0.0)


def one_over_smoothness(smoothness: float) -> StepSize:
    """Return the rule 1/L at every step: the longest one that can never go up.

    Raises
    ------
    ValueError
        If L is not finite: an objective with a kink has none, and needs another rule.
    """
    return constant(1 / positive("smoothness", smoothness))


def lipschitz(radius: float, gradient_bound: float, num_steps: int) -> StepSize:
    """Return the rule R_w / (G √T) at every one of T steps (Bubeck 2015, theorem 3.2).

    Parameters
    ----------
    radius : float
        R_w: how far the start may be from a minimizer.
    gradient_bound : float
        G: how long a subgradient may be. With noise, G² bounds the mean of the squared length.
    num_steps : int
        T. The rule is made for this horizon, and is wrong for a run that goes on after it.
    """
    horizon = positive_int("num_steps", num_steps)
    bound = positive("gradient_bound", gradient_bound)
    return constant(positive("radius", radius) / (bound * math.sqrt(horizon)))


def inverse_sqrt(scale: float) -> StepSize:
    """Return the rule c / √(step + 1), which needs no horizon."""
    first = positive("scale", scale)
    return _Power(first, 1.0, 0.5)


def inverse_time(strong_convexity: float, shift: float = 0.0) -> StepSize:
    """Return the rule 1 / (μ (step + 1 + shift)), the sheet's 1/(μ t).

    Without the shift the first step is 1/μ = κ/L. That is far beyond 2/L for an ill-conditioned
    problem, and the first iterates are thrown away by a factor that grows exponentially with κ.
    """
    mu, late = positive("strong_convexity", strong_convexity), non_negative("shift", shift)
    return _Power(1 / mu, 1 + late, 1.0)


def weighted_inverse_time(strong_convexity: float, shift: float = 2.0) -> StepSize:
    """Return the rule 2 / (μ (step + shift)).

    Parameters
    ----------
    strong_convexity : float
        μ.
    shift : float, above zero
        2 is the rule of Lacoste-Julien, Schmidt & Bach, 2012, arXiv:1212.2002, for a weighted
        average and bounded gradients; 2κ starts with 1/L (Bottou et al. 2018, theorem 4.7), for
        the last iterate of a smooth objective.
    """
    mu, late = positive("strong_convexity", strong_convexity), positive("shift", shift)
    return _Power(2 / mu, late, 1.0)


def as_rule(learning_rate: float | StepSize) -> StepSize:
    """Return a rule as it is, and a number as the constant rule."""
    return learning_rate if callable(learning_rate) else constant(learning_rate)


def probe(rule: StepSize, num_steps: int) -> tuple[float, ...]:
    """Return a rule's first two step sizes and its last: ranks tell rules apart by them."""
    return tuple(float(rule(step)) for step in (0, 1, num_steps - 1))
