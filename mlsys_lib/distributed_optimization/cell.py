"""A cell of the convergence table: a claim about a method, and a run that puts it to the test.

>>> halving = Cell("halving", "none", "log 1/ε", None, 1, lambda t: 0.5**t,
...                lambda steps, rng: np.array([0.4**t for t in steps]))
>>> result = halving.measure([1, 2])
>>> result.mean_errors.round(2).tolist(), result.bounds.tolist()
([0.4, 0.16], [0.5, 0.25])
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer

Errors = Callable[[Sequence[int], np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Measurement:
    """f - f* after some numbers of steps, over runs.

    Attributes
    ----------
    steps : ndarray of shape (num_steps,), int
    errors : ndarray of shape (num_runs, num_steps)
        One row where nothing is random.
    bounds : ndarray of shape (num_steps,)
        What the mean over runs may be at most.
    """

    steps: np.ndarray
    errors: np.ndarray
    bounds: np.ndarray

    @property
    def mean_errors(self) -> np.ndarray:
        """The mean over runs, shape (num_steps,)."""
        return np.asarray(self.errors.mean(axis=0))

    @property
    def standard_errors(self) -> np.ndarray:
        """How uncertain that mean is: one standard deviation of it, 0 where nothing is random."""
        runs = len(self.errors)
        if runs == 1:
            return np.zeros(self.errors.shape[1])
        return np.asarray(self.errors.std(axis=0, ddof=1) / np.sqrt(runs))


@dataclass(frozen=True)
class Cell:
    """One entry of the table, with the problem that shows it.

    Attributes
    ----------
    name : str
    condition : str
        What the bound assumes of f, of the noise and of the step.
    rate : str
        Steps until ε, up to constants.
    exponent : float or None
        Of 1/ε in the rate; None for log 1/ε.
    num_runs : int
        How many runs `measure` makes if not told: 1 where nothing is random.
    bound : callable
        bound(step) is what f - f* may be at most, in the mean.
    run : callable
        run(steps, rng) is f - f* after each of these numbers of steps, of one run.
    """

    name: str
    condition: str
    rate: str
    exponent: float | None
    num_runs: int
    bound: Callable[[int], float]
    run: Errors

    def measure(
        self, steps: Sequence[int] | None = None, *, num_runs: int | None = None, seed: int = 0
    ) -> Measurement:
        """Run the method on the cell's problem.

        Parameters
        ----------
        steps : sequence of int, rising, each >= 1; optional
            After how many steps to look; powers of two up to 1024, or 2, 4, … 40 for log 1/ε.
        num_runs : int, optional
            Runs, each with randomness of its own, two at least. Where nothing is random it is one.
        seed : int

        Returns
        -------
        Measurement

        Notes
        -----
        In the first two rows, each number of steps is a run of its own.
        """
        counts = default_steps(self.exponent) if steps is None else list(steps)
        if not counts:
            raise ValueError("steps must not be empty")
        for before, count in zip([0, *counts], counts, strict=False):
            integer("steps, which must rise,", count, before + 1)
        runs = self.num_runs
        if num_runs is not None:
            asked = integer("num_runs", num_runs, min(2, self.num_runs))
            runs = asked if self.num_runs > 1 else 1
        seeds = np.random.SeedSequence(integer("seed", seed, 0)).spawn(runs)
        errors = [self.run(counts, np.random.default_rng(one)) for one in seeds]
        limits = np.array([self.bound(count) for count in counts])
        return Measurement(np.array(counts), np.array(errors), limits)


def default_steps(exponent: float | None) -> list[int]:
    """Return where a cell is looked at if nobody says otherwise."""
    return list(range(2, 41, 2)) if exponent is None else [2**power for power in range(4, 11)]
