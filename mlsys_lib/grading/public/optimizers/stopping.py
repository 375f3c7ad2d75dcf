"""Early stopping with patience: at which step training ends, and which step was the best."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_equal

Answer = Callable[..., Any]
PATIENCE, MIN_DELTA = 3, 0.25
"""Those of a student's own curve."""


def stopped(losses: Sequence[float], patience: int, min_delta: float) -> tuple[int, int | None]:
    """Return (stop step, best step), counted from 0; the best is None before any number."""
    best: int | None = None
    waited = 0
    for step, loss in enumerate(losses):
        is_number = not np.isnan(loss)
        if is_number and (best is None or losses[best] - loss > min_delta):
            best, waited = step, 0
        else:
            waited += 1
        if waited == patience:
            return step, best
    return len(losses) - 1, best


def own_curve(rng: np.random.Generator) -> list[float]:
    """Draw a student's own losses, in eighths, as the notebook's cell does.

    Each common mistake reads another step from them: there is a rise that patience outlasts, then
    a best loss, one that is lower by too little, one that only beats its neighbor, and the lowest
    of all comes after the end.
    """
    start, falls = rng.integers(80, 100), -rng.integers(4, 9, rng.integers(2, 5))
    rise, fall, worse, late = rng.integers([1, 8, 4, 20], [4, 12, 8, 30])
    changes = [start, *falls, rise, -fall, -1, worse, -3, -late, 2]
    curve: list[float] = (np.cumsum(changes) / 8).tolist()
    return curve


def draw_curve(rng: np.random.Generator, length: int) -> list[float]:
    """Draw losses in eighths, so that no rounding decides: they fall, and then they wander."""
    changes = rng.integers(-6, 5, length) + np.linspace(-2, 2, length).round().astype(int)
    curve: list[float] = ((8 * length + np.cumsum(changes)) / 8).tolist()
    return curve


def expect_stop(
    early_stop: Answer,
    losses: Sequence[float],
    patience: int,
    min_delta: float,
    idea: str = "A loss improves if it is below the best one by more than min_delta, and patience "
    "counts the losses in a row that do not.",
) -> None:
    """Hold one curve to `stopped`; `idea` is what the curve turns on."""
    stop, best = stopped(losses, patience, min_delta)
    got = early_stop(list(losses), patience, min_delta)
    given = f"early_stop({list(losses)}, {patience}, {min_delta})"
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 2),
        given=f"{given}; the type and the length of what it returns",
        hint="Return (stop_step, best_step).",
    )
    for word, mine, wanted in zip(("stop", "best"), got, (stop, best), strict=True):
        expect_equal(mine, wanted, given=f"{given}; the {word} step", hint=idea)
