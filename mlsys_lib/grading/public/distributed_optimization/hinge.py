"""The hinge loss and its dual: the best step of one number, and what certifies a minimum."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, show

Answer = Callable[..., Any]
Step = tuple[np.ndarray, float, float, np.ndarray, float, int, float]
"""x, y, ζ, w, λ, n and s: the arguments of `dual_step`."""
Block = tuple[np.ndarray, np.ndarray, np.ndarray]
"""X, y and ζ of a rank."""


def best_dual(
    x: np.ndarray,
    y: float,
    dual: float,
    w: np.ndarray,
    penalty: float,
    num_examples: int,
    scale: float,
) -> float:
    """Return the allowed ζ' with the largest ζ' y - (ζ' - ζ) x·w - s/(2λn) ‖x‖² (ζ' - ζ)².

    The candidates are the two ends of what is allowed and, if it lies between, the parabola's top.
    """
    z, curvature = float(x @ w), scale * float(x @ x) / (penalty * num_examples)
    candidates = [0.0, y]
    if curvature:
        top = dual + (y - z) / curvature
        candidates += [top] if 0 < top * y < 1 else []
    change = [new - dual for new in candidates]
    gain = [
        new * y - c * z - curvature / 2 * c * c for new, c in zip(candidates, change, strict=True)
    ]
    return candidates[int(np.argmax(gain))]


def expect_best_dual(
    dual_step: Answer,
    step: Step,
    idea: str = "The top of a parabola, or the end of what is allowed that is nearest to it.",
) -> None:
    """Hold an answer to `best_dual`."""
    x, y, dual, w, *rest = step
    got = dual_step(x.copy(), y, dual, w.copy(), *rest)
    penalty, num_examples, scale = rest
    given = (
        f"x = {show(x)}, y = {y:g}, dual = {dual:g}, w = {show(w)}, penalty = {penalty:g}, "
        f"num_examples = {num_examples}, scale = {scale:g}"
    )
    expect_close(got, best_dual(*step), rtol=1e-9, atol=1e-9, given=given, hint=idea)


def draw_step(rng: np.random.Generator, kind: str) -> Step:
    """Draw a step that ends inside, at either end, or is one of an example of zeros.

    Parameters
    ----------
    rng : Generator
    kind : {"inside", "zero", "one", "empty"}
        Where the new ζ y lies; "empty" has a row of zeros.
    """
    while True:
        y, penalty, num_examples = float(rng.choice([-1, 1])), 0.5**5, int(rng.integers(40, 400))
        x, w = rng.normal(size=4), rng.normal(size=4)
        dual = y * float(rng.uniform(0.05, 0.95))
        scale = float(rng.integers(1, 9))
        x = np.zeros(4) if kind == "empty" else x
        step = (x, y, dual, w, penalty, num_examples, scale)
        share = best_dual(*step) * y
        ends = "zero" if share == 0 else "one" if share == 1 else "inside"
        if kind in (ends, "empty"):
            return step


def weights_of(blocks: Sequence[Block], penalty: float) -> np.ndarray:
    """Return w(ζ) = 1/(λn) Σ ζ_j x_j over all ranks' examples."""
    X, _, dual = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return np.asarray(X.T @ dual / (penalty * len(dual)))


def gap_of(blocks: Sequence[Block], w: np.ndarray, penalty: float) -> float:
    """Return f(w) - dual(ζ) of all ranks' examples; inf if some ζ is not allowed."""
    X, y, dual = (np.concatenate(part) for part in zip(*blocks, strict=True))
    share = dual * y
    if ((share < 0) | (share > 1)).any():
        return math.inf
    bowl = penalty / 2 * float(w @ w)
    primal = np.maximum(0.0, 1 - y * (X @ w)).mean() + bowl
    return float(primal - (share.mean() - bowl))


def draw_blocks(rng: np.random.Generator, sizes: Sequence[int], num_features: int) -> list[Block]:
    """Draw each rank's examples and allowed duals, some of them at either end."""
    blocks = []
    for size in sizes:
        y = rng.choice([-1.0, 1.0], size)
        share = np.clip(rng.uniform(-0.3, 1.3, size), 0, 1)
        blocks.append((rng.normal(size=(size, num_features)), y, share * y))
    return blocks
