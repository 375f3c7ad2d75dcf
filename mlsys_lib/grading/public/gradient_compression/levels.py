"""Rounding to levels at random: QSGD's quantizer, with its random numbers handed in.

Alistarh, Grubic, Li, Tomioka & Vojnović, "QSGD: communication-efficient SGD via gradient
quantization and encoding", NIPS 2017, arXiv:1610.02132, section 3.1. The paper draws its random
numbers itself.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]
APART = 1e-6  # how far drawn numbers are from where rounding errors would decide


def leveled(x: np.ndarray, num_levels: int, uniform: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the norm of `x` and the signed level of each of its numbers, int64."""
    norm = math.sqrt(sum(float(number) ** 2 for number in x))
    levels = np.zeros(len(x), np.int64)
    for i, number in enumerate(x if norm > 0 else ()):
        ratio = num_levels * abs(float(number)) / norm
        below = math.floor(ratio)
        level = below + (uniform[i] < ratio - below)
        levels[i] = level if number > 0 else -level
    return norm, levels


def draw_levels(
    rng: np.random.Generator, num_elements: int, num_levels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a vector and random numbers at which no rounding error decides."""
    while True:
        x = rng.normal(size=num_elements) * rng.uniform(0.01, 100)
        uniform = rng.random(num_elements)
        share = (num_levels * np.abs(x) / np.linalg.norm(x)) % 1
        if num_elements == 1 or (
            np.abs(share - uniform).min() > APART
            and share.min() > APART
            and share.max() < 1 - APART
        ):
            return x, uniform


def expect_levels(
    stochastic_levels: Answer,
    x: np.ndarray,
    num_levels: int,
    uniform: np.ndarray,
    idea: str = "A number lies between two levels of its magnitude. It goes to the upper one if "
    "its random number is below its distance from the lower one, and keeps its sign.",
) -> None:
    """Hold norm and levels to `leveled`, and what they were made from."""
    handed = (x.copy(), uniform.copy())
    got = stochastic_levels(handed[0], num_levels, handed[1])
    given = f"x = {show(x)}, num_levels = {num_levels}, uniform = {show(uniform)}"
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 2),
        given=f"{given}; the type and the length of what it returns",
        hint="Return (norm, levels).",
    )
    norm, levels = leveled(x, num_levels, uniform)
    expect_close(
        got[0],
        norm,
        rtol=1e-12,
        given=f"{given}; the norm",
        hint="The norm is a float: the root of the sum of squares. No number is longer than it, "
        "so no level is above num_levels.",
    )
    whole = "Levels are whole numbers with a sign, an array of int64; the norm travels beside them."
    expect_equal(got[1], levels, given=f"{given}; the levels", hint=f"{idea} {whole}")
    for mine, old in zip(handed, (x, uniform), strict=True):
        expect_equal(
            mine,
            old,
            given=f"{given}; what was handed over, after the call",
            hint="Return new arrays: the gradient belongs to the caller.",
        )


def expect_unbiased(
    stochastic_levels: Answer, x: np.ndarray, num_levels: int, num_coins: int, idea: str
) -> None:
    """Hold the mean over evenly spaced random numbers to `x` itself.

    Every number of levels × |x| / norm must be a multiple of 1 / `num_coins`.
    """
    total = np.zeros(len(x))
    for coin in (np.arange(num_coins) + 0.5) / num_coins:
        norm, levels = stochastic_levels(x.copy(), num_levels, np.full(len(x), coin))
        total = total + norm * levels / num_levels
    last = (num_coins - 0.5) / num_coins
    given = (
        f"x = {show(x)}, num_levels = {num_levels}, {num_coins} calls with uniform = "
        f"{0.5 / num_coins}, {1.5 / num_coins}, …, {last} throughout; the mean of norm · levels / "
        "num_levels"
    )
    expect_close(total / num_coins, x, rtol=1e-12, given=given, hint=idea)
