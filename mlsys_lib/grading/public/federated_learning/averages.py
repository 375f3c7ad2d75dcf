"""What a server makes of a round's answers: their mean by examples, or the step of q-FedAvg."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]
Reply = tuple[np.ndarray, float, float]
"""Weights of a client, and its loss before and after it trained."""


# -- weighted_mean ---------------------------------------------------------------------------------
def averaged(
    w: np.ndarray, updates: Mapping[int, np.ndarray], num_examples: Sequence[int]
) -> np.ndarray:
    """Return Σ n_i w_i / Σ n_i over the clients whose answer is finite; w if there is none."""
    total, count = np.zeros(len(w)), 0
    for client, update in updates.items():
        if np.isfinite(update).all():
            total = total + num_examples[client] * update
            count += num_examples[client]
    return total / count if count else w.copy()


def expect_averaged(
    weighted_mean: Answer,
    w: np.ndarray,
    updates: Mapping[int, np.ndarray],
    num_examples: Sequence[int],
    idea: str = "Average the finite answers by their clients' examples; w stays if there is none.",
) -> None:
    """Hold a mean to `averaged`, and what it was made from to what it was."""
    old, handed = w.copy(), {client: update.copy() for client, update in updates.items()}
    got = weighted_mean(old, handed, list(num_examples))
    told = ", ".join(f"{client}: {show(update)}" for client, update in updates.items())
    given = f"w = {show(w)}, updates = {{{told}}}, num_examples = {list(num_examples)}"
    wanted = averaged(w, updates, num_examples)
    expect_close(got, wanted, rtol=1e-9, atol=1e-12, given=given, hint=idea)
    expect_equal(
        [old, *handed.values()],
        [w, *updates.values()],
        given=f"{given}; w and the updates after the call",
        hint="The updates belong to the clients: add them up in a new array.",
    )


def draw_updates(
    rng: np.random.Generator, answered: Sequence[int], num_weights: int
) -> dict[int, np.ndarray]:
    """Draw the answers of the clients `answered`, in another order."""
    return {int(i): rng.normal(size=num_weights) for i in rng.permutation(list(answered))}


# -- qfedavg_step ----------------------------------------------------------------------------------
def fair_stepped(
    w: np.ndarray,
    answers: Sequence[Reply],
    client_weights: Sequence[float],
    fairness: float,
    smoothness: float,
) -> np.ndarray:
    """Return the weights after a step of q-FedAvg in which every client takes part.

    Li, Sanjabi, Beirami & Smith, "Fair resource allocation in federated learning", ICLR 2020,
    arXiv:1905.10497, algorithm 2, with p_i in both sums where the paper samples by it.
    """
    above, below = np.zeros(len(w)), 0.0
    for (own, loss, _), p in zip(answers, client_weights, strict=True):
        gradient = smoothness * (w - own)
        bend = fairness * loss ** (fairness - 1) * (gradient @ gradient) if fairness else 0.0
        above = above + p * loss**fairness * gradient
        below += p * (bend + smoothness * loss**fairness)
    return w - above / below


def expect_fair_step(
    qfedavg_step: Answer,
    w: np.ndarray,
    answers: Sequence[Reply],
    client_weights: Sequence[float],
    fairness: float,
    smoothness: float,
    idea: str = "Each client's own loss, before it trained, is taken to the power q; then comes "
    "the sum.",
) -> None:
    """Hold a step to `fair_stepped`, and w to what it was."""
    old = w.copy()
    handed = [(own.copy(), before, after) for own, before, after in answers]
    got = qfedavg_step(old, handed, list(client_weights), fairness, smoothness)
    told = ", ".join(f"({show(own)}, {before:g}, {after:g})" for own, before, after in answers)
    given = (
        f"w = {show(w)}, answers = [{told}], client_weights = {list(client_weights)}, "
        f"fairness = {fairness:g}, smoothness = {smoothness:g}"
    )
    wanted = fair_stepped(w, answers, client_weights, fairness, smoothness)
    expect_close(got, wanted, rtol=1e-8, atol=1e-11, given=given, hint=idea)
    expect_equal(
        [old, *(own for own, *_ in handed)],
        [w, *(own for own, *_ in answers)],
        given=f"{given}; w and the clients' weights after the call",
        hint="Return a new array: `w -= …` changes the caller's.",
    )


def draw_replies(rng: np.random.Generator, num_clients: int, num_weights: int) -> list[Reply]:
    """Draw each client's weights and its two losses; training has lowered them, unevenly."""
    before = rng.uniform(0.2, 3.0, num_clients)
    after = before * rng.uniform(0.1, 0.9, num_clients)
    return [
        (rng.normal(size=num_weights), float(was), float(now))
        for was, now in zip(before, after, strict=True)
    ]


def draw_shares(rng: np.random.Generator, num_clients: int) -> list[float]:
    """Draw weights p_i that sum to one, none of them tiny."""
    parts = rng.uniform(0.2, 1.0, num_clients)
    shares: list[float] = (parts / parts.sum()).tolist()
    return shares
