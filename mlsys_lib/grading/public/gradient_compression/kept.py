"""The largest numbers of a gradient, a memory of the others, and the mean of many ranks' largest.

Stich, Cordonnier & Jaggi, "Sparsified SGD with memory", NeurIPS 2018, arXiv:1809.07599; the order
of lines is that of Karimireddy, Rebjock, Stich & Jaggi, "Error feedback fixes SignSGD", ICML 2019,
arXiv:1901.09847, algorithm 1. How ties are decided is ours.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]


def largest(x: np.ndarray, num_kept: int) -> list[int]:
    """Return where the numbers of largest magnitude stand; of equal ones the first."""
    ranked = sorted(range(len(x)), key=lambda i: (-abs(float(x[i])), i))
    return ranked[:num_kept]


def remembered(
    gradient: np.ndarray, memory: np.ndarray, learning_rate: float, num_kept: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is sent, 0 where nothing is, and the memory after it."""
    due = learning_rate * gradient + memory
    update = np.zeros(len(due))
    for i in largest(due, num_kept):
        update[i] = due[i]
    return update, due - update


def mean_of_kept(gradients: Sequence[np.ndarray], counts: Sequence[int]) -> np.ndarray:
    """Return the mean over all ranks of what each keeps of its gradient, float64."""
    total = np.zeros(len(gradients[0]))
    for gradient, count in zip(gradients, counts, strict=True):
        for i in largest(gradient, count):
            total[i] += float(gradient[i])
    return total / len(gradients)


def expect_remembered(
    top_k_step: Answer,
    gradient: np.ndarray,
    memory: np.ndarray,
    learning_rate: float,
    num_kept: int,
    idea: str = "What is due is the learning rate times the gradient, plus the memory. Its largest "
    "magnitudes are sent as they are, and all else is the new memory.",
) -> tuple[np.ndarray, np.ndarray]:
    """Hold a step to `remembered`, and return what it sent and remembers."""
    handed = (gradient.copy(), memory.copy())
    got = top_k_step(*handed, learning_rate, num_kept)
    wanted = remembered(gradient, memory, learning_rate, num_kept)
    given = (
        f"gradient = {show(gradient)}, memory = {show(memory)}, "
        f"learning_rate = {learning_rate}, num_kept = {num_kept}"
    )
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 2),
        given=f"{given}; the type and the length of what it returns",
        hint="Return (update, memory).",
    )
    for word, mine, new in zip(("update", "new memory"), got, wanted, strict=True):
        expect_close(mine, new, rtol=1e-10, atol=1e-12, given=f"{given}; the {word}", hint=idea)
    for word, mine, old in zip(("gradient", "memory"), handed, (gradient, memory), strict=True):
        expect_equal(
            mine,
            old,
            given=f"{given}; the {word} that was handed over, after the call",
            hint="Return new arrays: `memory += …` changes the caller's.",
        )
    return wanted
