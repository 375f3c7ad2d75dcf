"""Which atoms of a gradient to send, and with which chance: ATOMO's probabilities.

Wang, Sievert, Liu, Charles, Papailiopoulos & Wright, "ATOMO: communication-efficient learning via
atomic sparsification", NeurIPS 2018, arXiv:1806.04090, algorithm 1. Atoms of magnitude 0 get the
chance 0 here, so that a budget may be larger than what there is to send.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]


def chances(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    """Return the probabilities of least variance whose sum is `budget`, or all that is not 0."""
    order = sorted(range(len(magnitudes)), key=lambda i: -magnitudes[i])
    result = np.zeros(len(magnitudes))
    for place, i in enumerate(order):
        rest = sum(magnitudes[j] for j in order[place:])
        left = budget - place
        if magnitudes[i] * left <= rest:  # nobody else is full
            for j in order[place:]:
                result[j] = left * magnitudes[j] / rest if rest > 0 else 0.0
            break
        result[i] = 1.0
    return result


def own_magnitudes(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draw a student's own five magnitudes and budget, as the notebook's cell does."""
    small = rng.integers(1, 5, 3)
    second = small.sum() + rng.integers(1, 6)
    first = 2 * second + rng.integers(1, 9)
    return rng.permutation([first, second, *small]).astype(float), 3.0


def draw_magnitudes(rng: np.random.Generator, num_atoms: int, spread: float) -> np.ndarray:
    """Draw magnitudes in no order; the larger `spread`, the fewer hold most of the sum."""
    return np.asarray(np.exp(spread * rng.normal(size=num_atoms)))


def expect_chances(
    atomo_probabilities: Answer,
    magnitudes: np.ndarray,
    budget: float,
    idea: str = "Chances are proportional to the magnitudes, but none is above 1. What that takes "
    "away goes to the others, again in proportion, until the sum is the budget.",
) -> None:
    """Hold probabilities to `chances`, and the magnitudes to what they were."""
    handed = magnitudes.copy()
    got = atomo_probabilities(handed, budget)
    given = f"magnitudes = {show(magnitudes)}, budget = {budget:g}"
    expect_close(got, chances(magnitudes, budget), rtol=1e-9, atol=1e-12, given=given, hint=idea)
    expect_equal(
        handed,
        magnitudes,
        given=f"{given}; the magnitudes after the call",
        hint="Return a new array: the magnitudes belong to the caller.",
    )
