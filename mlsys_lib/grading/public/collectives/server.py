"""What a server with bounded staleness does at a push, and how an answer is held to it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]
State = tuple[np.ndarray, list[int], list[int]]
"""Weights, the steps that each worker has done, and who waits."""


def pushed(
    weights: np.ndarray,
    clocks: list[int],
    waiting: list[int],
    worker: int,
    gradient: np.ndarray,
    learning_rate: float,
    staleness: int,
) -> tuple[np.ndarray, list[int], list[int], list[int]]:
    """Return the state after a push, and who gets the new weights."""
    clocks = [steps + (i == worker) for i, steps in enumerate(clocks)]
    limit = min(clocks) + staleness
    asking = sorted([*waiting, worker])
    released = [i for i in asking if clocks[i] <= limit]
    still = [i for i in asking if clocks[i] > limit]
    return weights - learning_rate / len(clocks) * gradient, clocks, still, released


def expect_push(take_push: Answer, state: tuple[Any, ...], *push: Any) -> tuple[Any, ...]:
    """Hold one push to `pushed`, and return the state after it."""
    weights, clocks, waiting = state
    worker, gradient, learning_rate, staleness = push
    handed = (weights.copy(), list(clocks), list(waiting))
    got = take_push(*handed, worker, gradient.copy(), learning_rate, staleness)
    expected = pushed(weights, clocks, waiting, *push)
    given = (
        f"clocks {clocks}, waiting {waiting}, weights {show(weights)}; worker {worker} pushes "
        f"{show(gradient)}, learning rate {learning_rate}, staleness {staleness}"
    )
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 4),
        given=f"{given}; the type and the length of what take_push returns",
        hint="Return (weights, clocks, waiting, released).",
    )
    expect_close(
        got[0],
        expected[0],
        rtol=1e-12,
        atol=1e-12,
        given=f"{given}; the new weights",
        hint="Every push is applied when it comes, and moves by η / W, W being all workers.",
    )
    expect_equal(
        handed[0],
        weights,
        given=f"{given}; the old weights after the call",
        hint="Messages with the old weights may still be under way: return a new array.",
    )
    words = ("clocks", "still waiting", "released")
    for word, mine, wanted in zip(words, got[1:], expected[1:], strict=True):
        expect_equal(
            mine,
            wanted,
            given=f"{given}; {word}",
            hint="A worker may go on if it is at most s steps ahead of the slowest. A push can "
            "free others than the one who made it, and the slowest never waits.",
        )
    return expected[:3]


def expect_pushes(
    take_push: Answer, rng: np.random.Generator, num_workers: int, staleness: int, num_pushes: int
) -> None:
    """Let random workers push, of those that are not waiting, and hold each push."""
    state: tuple[Any, ...] = (rng.standard_normal(3), [0] * num_workers, [])
    learning_rate = float(rng.uniform(0.1, 1.0))
    for _ in range(num_pushes):
        working = [i for i in range(num_workers) if i not in state[2]]
        worker = int(rng.choice(working))
        gradient = rng.standard_normal(3)
        state = expect_push(take_push, state, worker, gradient, learning_rate, staleness)
