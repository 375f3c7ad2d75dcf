"""Averages of what workers found alone, each weighted by its examples."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]


def averaged(answers: Sequence[np.ndarray], counts: Sequence[int]) -> np.ndarray:
    """Return Σ n_i w_i / n over the workers that have examples."""
    total = np.zeros(len(answers[0]))
    for answer, count in zip(answers, counts, strict=True):
        if count:
            total += count / sum(counts) * answer
    return total


def own_answers(rng: np.random.Generator) -> tuple[list[np.ndarray], list[int]]:
    """Draw a student's own three workers, as the notebook's cell does: 10 examples in all."""
    counts = rng.permutation([2, 3, 5]).tolist()
    return [rng.integers(-9, 10, 2).astype(float) for _ in counts], counts


def draw_answers(
    rng: np.random.Generator, counts: Sequence[int], num_weights: int
) -> list[np.ndarray]:
    """Draw each worker's answer; NaN for one that has no examples."""
    return [
        rng.normal(size=num_weights) if count else np.full(num_weights, np.nan) for count in counts
    ]


def expect_averaged(
    weighted_average: Answer,
    answers: Sequence[np.ndarray],
    counts: Sequence[int],
    idea: str = "An answer counts as often as its worker has examples, and not at all without any.",
) -> None:
    """Hold an answer to `averaged`, and the workers' answers to what they were."""
    handed = [answer.copy() for answer in answers]
    got = weighted_average(handed, list(counts))
    given = f"answers {', '.join(map(show, answers))}; counts {list(counts)}"
    wanted = averaged(answers, counts)
    expect_close(got, wanted, rtol=1e-9, atol=1e-12, given=given, hint=idea)
    for worker, (after, before) in enumerate(zip(handed, answers, strict=True)):
        expect_equal(
            after,
            before,
            given=f"{given}\nthe answer of worker {worker} after the call",
            hint="The answers belong to the workers: add them up in a new array.",
        )
