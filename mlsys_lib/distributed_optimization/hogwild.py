"""Hogwild: workers step on one shared w without waiting for each other.

Niu et al., "Hogwild!: a lock-free approach to parallelizing stochastic gradient descent", NIPS
2011, arXiv:1106.5730. Nothing orders what they read and write, so a worker may compute its gradient
at a w from which some of the newest steps of others are missing. This is a model of that, on one
machine and repeatable: each of the last s steps is missing from what is read with probability one
half, each apart from the others (an inconsistent read, as in Mania et al., "Perturbed iterate
analysis for asynchronous stochastic optimization", 2017, arXiv:1507.06970). No step is lost.

With s = 0 it is SGD. `mlsys_lib.collectives.train_stale` has the same bound with a server and
simulated time.
"""

from collections import deque

import numpy as np

from mlsys_lib.core.validate import integer, positive_int
from mlsys_lib.distributed_optimization.objective import Objective
from mlsys_lib.distributed_optimization.outcome import Rounds
from mlsys_lib.distributed_optimization.step_sizes import StepSize, as_rule


def hogwild(
    objective: Objective,
    learning_rate: float | StepSize,
    num_steps: int,
    staleness: int,
    rng: np.random.Generator,
    record_every: int = 1,
) -> Rounds:
    """Take `num_steps` steps of one example each, read at weights up to `staleness` steps old.

    Parameters
    ----------
    objective : Objective
    learning_rate : float, or rule from `step_sizes`
        η, or η of each step.
    num_steps : int
    staleness : int
        s ≥ 0: steps of others that may be missing from a read.
    rng : numpy.random.Generator
        Of the examples and of what is missing.
    record_every : int
        Steps between two entries of the history; the last step is always one.

    Returns
    -------
    Rounds
        `time_s` counts steps; `diverged_at` is the step whose result was not finite.
    """
    num_steps, rule = positive_int("num_steps", num_steps), as_rule(learning_rate)
    integer("staleness", staleness, 0)
    positive_int("record_every", record_every)
    weights = np.zeros(objective.num_features)
    newest: deque[np.ndarray] = deque(maxlen=staleness)  # the last steps, which a read may miss
    history, times = [weights.copy()], [0.0]
    for step in range(1, num_steps + 1):
        read = weights
        for change in newest:
            if rng.random() < 0.5:
                read = read - change
        rows = rng.integers(objective.num_examples, size=1)
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is told below
            change = -rule(step - 1) * objective.batch_gradient(read, rows)
            weights = weights + change
        if not np.isfinite(weights).all():
            return Rounds(np.array(history), tuple(times), diverged_at=step)
        newest.append(change)
        if step % record_every == 0 or step == num_steps:
            history.append(weights)
            times.append(float(step))
    return Rounds(np.array(history), tuple(times))
