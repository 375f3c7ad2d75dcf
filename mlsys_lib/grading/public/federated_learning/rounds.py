"""Rounds of FedAvg over ranks: the right weights, and no byte, message or second too many.

Public and hidden tests share these; they differ in their inputs. A hint names the idea and never
a value, since a hidden test shows its hint.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm import PerRank, Run
from mlsys_lib.grading.expect import expect, expect_close, expect_equal, show
from mlsys_lib.grading.ranks import on_ranks

Answer = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]
"""X and y of a rank."""
WORD_BYTES, EXAMPLE_S, MESSAGE_S = 8, 1e-3, 1e-4


def trained_alone(w: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a client's weights after its five steps: what the notebook's cell computes."""
    for _ in range(5):
        w = w - 0.1 * (X @ w - y) @ X / len(y)
    return w


def after_rounds(
    w: np.ndarray, blocks: Sequence[Data], schedule: Sequence[Sequence[int]]
) -> np.ndarray:
    """Return the server's weights after all rounds; `blocks` holds rank 0's, without examples."""
    for sampled in schedule:
        counts = [len(blocks[client][1]) for client in sampled]
        own = [trained_alone(w, *blocks[client]) for client in sampled]
        if counts:
            w = np.average(own, axis=0, weights=counts)
    return w


def draw_blocks(rng: np.random.Generator, sizes: Sequence[int], num_features: int) -> list[Data]:
    """Draw each client's examples, of a line of its own; rank 0 has none."""
    blocks = [(np.empty((0, num_features)), np.empty(0))]
    for size in sizes:
        X, line = rng.normal(size=(size, num_features)), 3 * rng.normal(size=num_features)
        blocks.append((X, X @ line + 0.1 * rng.normal(size=size)))
    return blocks


def expect_rounds(
    federated_rounds: Answer,
    w: np.ndarray,
    blocks: Sequence[Data],
    schedule: Sequence[Sequence[int]],
    idea: str = "The mean of the sampled clients' weights, by their examples, round by round.",
) -> None:
    """Hold a run to `after_rounds` on rank 0, to its bytes and messages, and to its seconds."""
    world_size = len(blocks)
    X, y = (PerRank([a.copy() for a in part]) for part in zip(*blocks, strict=True))
    copies = PerRank([w.copy(), *(np.full(len(w), np.nan) for _ in blocks[1:])])
    run = on_ranks(federated_rounds, world_size, copies, X, y, [list(s) for s in schedule])
    given = _describe(w, blocks, schedule)
    expect_close(
        run.results[0],
        after_rounds(w, blocks, schedule),
        rtol=1e-8,
        atol=1e-9,
        given=f"{given}\nwhat rank 0 returned",
        hint=idea,
    )
    for rank, result in enumerate(run.results[1:], 1):
        expect_equal(
            result,
            None,
            given=f"{given}\nwhat rank {rank} returned",
            hint="Only the server has the weights that come out; a client returns None.",
        )
    expect_equal(
        copies.values[0],
        w,
        given=f"{given}\nw of rank 0 after the call",
        hint="The start belongs to the caller: make new weights of it.",
    )
    _expect_sent(run, len(w), schedule, given)
    limit = sum(
        EXAMPLE_S * max((len(blocks[i][1]) for i in sampled), default=0)
        + 2 * MESSAGE_S * len(sampled)
        for sampled in schedule
    )
    expect(
        run.ledger.time_s() <= limit,
        given=given,
        expected=f"at most {limit:.4g} simulated seconds",
        got=f"{run.ledger.time_s():.4g}",
        hint="The clients of a round train at the same time: send to all of them before you wait "
        "for the first.",
    )


def _expect_sent(run: Run, num_weights: int, schedule: Sequence[Sequence[int]], given: str) -> None:
    """Hold each rank's bytes and messages to those of one message each way a sampled client."""
    times = [
        sum(map(len, schedule)),
        *(sum(rank in s for s in schedule) for rank in range(1, len(run.results))),
    ]
    for rank, count in enumerate(times):
        most = count * WORD_BYTES * (num_weights + (rank > 0))
        expect(
            run.ledger.sent_bytes[rank] <= most,
            given=given,
            expected=f"at most {most} bytes sent by rank {rank}",
            got=str(run.ledger.sent_bytes[rank]),
            hint="The server sends k numbers to each sampled client and to nobody else, and after "
            "the last round nothing. A sampled client sends k + 1. Examples stay where they are.",
        )
        expect(
            run.ledger.sent_messages[rank] <= count,
            given=given,
            expected=f"at most {count} message(s) sent by rank {rank}",
            got=str(run.ledger.sent_messages[rank]),
            hint="Weights and count fit into one message: `np.append`.",
        )


def _describe(w: np.ndarray, blocks: Sequence[Data], schedule: Sequence[Sequence[int]]) -> str:
    sizes = [len(y) for _, y in blocks]
    text = f"w = {show(w)}, schedule = {[list(s) for s in schedule]}"
    if sum(sizes) > 8:
        return f"{text}, ranks with {sizes} examples"
    lines = [f"rank {rank}: X = {show(X)}, y = {show(y)}" for rank, (X, y) in enumerate(blocks)]
    return "\n".join([text, *lines[1:]])
