"""Schedules: functions from the number of a step, counted from 0, to its learning rate.

Set ``optimizer.learning_rate = schedule(step)`` before each step. Each schedule is a function of
`step` alone, so that a run can be taken up in the middle. Cosine is Loshchilov & Hutter, "SGDR:
stochastic gradient descent with warm restarts", ICLR 2017, arXiv:1608.03983, without restarts;
warm-up Goyal et al., "Accurate, large minibatch SGD", 2017, arXiv:1706.02677; the inverse root
Vaswani et al., "Attention is all you need", NeurIPS 2017, arXiv:1706.03762, section 5.3.
"""

import math
from collections.abc import Callable

from mlsys_lib.core.validate import integer, non_negative, positive, positive_int

Schedule = Callable[[int], float]


def constant(learning_rate: float) -> Schedule:
    """Return the schedule that is `learning_rate` in every step."""
    rate = positive("learning_rate", learning_rate)

    def schedule(step: int) -> float:
        _checked(step)
        return rate

    return schedule


def warm_up(schedule: Schedule, num_steps: int) -> Schedule:
    """Scale the first `num_steps` rates of `schedule` by 1/num_steps, 2/num_steps, …, 1.

    >>> [warm_up(constant(0.8), 4)(step) for step in range(6)]
    [0.2, 0.4, 0.6000000000000001, 0.8, 0.8, 0.8]
    """
    count = positive_int("num_steps", num_steps)
    return lambda step: schedule(step) * min(1.0, (_checked(step) + 1) / count)


def cosine(learning_rate: float, num_steps: int, final_rate: float = 0.0) -> Schedule:
    """Fall from `learning_rate` in step 0 along half a cosine to `final_rate` in step `num_steps`.

    Later steps keep `final_rate`; torch's CosineAnnealingLR rises again there.
    """
    first, count = positive("learning_rate", learning_rate), positive_int("num_steps", num_steps)
    last = non_negative("final_rate", final_rate)

    def schedule(step: int) -> float:
        share = min(1.0, _checked(step) / count)
        return last + (first - last) * (1 + math.cos(math.pi * share)) / 2

    return schedule


def step_decay(learning_rate: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the rate by `factor` after each `every` steps."""
    first, count = positive("learning_rate", learning_rate), positive_int("every", every)
    share = positive("factor", factor)
    if share > 1:
        raise ValueError(f"factor must be in (0, 1], got {factor!r}")
    return lambda step: first * share ** (_checked(step) // count)


def inverse_sqrt(learning_rate: float, num_flat: int = 1) -> Schedule:
    """Keep `learning_rate` for `num_flat` steps, then fall as one over the root of the step.

    With `warm_up` over the same number of steps this is Vaswani's schedule.
    """
    first, flat = positive("learning_rate", learning_rate), positive_int("num_flat", num_flat)
    return lambda step: first * math.sqrt(flat / max(flat, _checked(step) + 1))


def _checked(step: int) -> int:
    return integer("step", step, 0)
