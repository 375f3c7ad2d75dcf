"""Clipping by the norm of all gradients together.

Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
arXiv:1211.5063, algorithm 1. The norm is summed in float64, and no 10⁻⁶ is added to it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]


def clipped(gradients: Sequence[np.ndarray], max_norm: float) -> tuple[list[np.ndarray], float]:
    """Return the gradients, scaled down if their norm is above `max_norm`, and that norm."""
    norm = math.hypot(*(float(number) for array in gradients for number in array.flat))
    scale = max_norm / norm if norm > max_norm else 1.0
    return [(scale * array.astype(np.float64)).astype(array.dtype) for array in gradients], norm


def expect_clipped(
    clip_gradients: Answer,
    gradients: Sequence[np.ndarray],
    max_norm: float,
    idea: str = "One norm over all entries of all arrays, and one factor for all of them, below 1 "
    "or not applied at all.",
) -> None:
    """Hold what came of some gradients to `clipped`, and what they were made from."""
    handed = [array.copy() for array in gradients]
    got = clip_gradients(handed, max_norm)
    told = "; ".join(show(array) for array in gradients)
    given = f"{len(gradients)} array(s): {told}; max_norm = {max_norm}"
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 2),
        given=f"{given}; the type and the length of what it returns",
        hint="Return (gradients, norm).",
    )
    wanted, norm = clipped(gradients, max_norm)
    expect_close(
        got[1],
        norm,
        rtol=1e-6,
        given=f"{given}; the norm",
        hint=f"The norm is a float, that of the gradients before they were clipped. {idea}",
    )
    expect_close(got[0], wanted, rtol=1e-5, given=f"{given}; the gradients", hint=idea)
    expect_equal(
        handed,
        list(gradients),
        given=f"{given}; what was handed over, after the call",
        hint="Return new arrays: whoever calls may still need the gradients as they were.",
    )
