"""What ranks owe that exchange compressed gradients: the right answer on each, in few bytes.

Public and hidden tests share these; they differ in their inputs. A hint names the idea and never
a value, since a hidden test shows its hint.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm import PerRank, Run
from mlsys_lib.grading.expect import expect, expect_close, expect_equal, show
from mlsys_lib.grading.public.gradient_compression.kept import mean_of_kept
from mlsys_lib.grading.public.gradient_compression.signs import NEW_ARRAYS, majority, num_bytes
from mlsys_lib.grading.ranks import on_ranks

Answer = Callable[..., Any]
ENTRY_BYTES = 8  # an index of 4 bytes and a value of 4
LENGTH_BYTES = 16  # for each pair of ranks: more than a length needs


def expect_majority(
    majority_vote: Answer,
    gradients: Sequence[np.ndarray],
    idea: str = "Each rank has one vote on each number, +1 or -1, and all ranks return what most "
    "of them say. A tie is +1.",
) -> None:
    """Hold one run to the majority on each rank, for a bit up and a bit down."""
    world_size, num_elements = len(gradients), len(gradients[0])
    handed = [gradient.copy() for gradient in gradients]
    run = on_ranks(majority_vote, world_size, PerRank(handed))
    given = _describe(gradients)
    wanted = majority(gradients)
    for rank, result in enumerate(run.results):
        where = f"{given}\nwhat rank {rank} returned"
        expect_equal(result, wanted, given=where, hint=idea)
    _expect_untouched(handed, gradients, given)
    _expect_at_most(
        run,
        2 * (world_size - 1) * num_bytes(num_elements),
        given,
        "A sign is one bit on its way up, and the verdict is one bit on its way down: pack eight "
        "into a byte, both times. Only rank 0 counts.",
    )


def expect_mean(
    compressed_mean: Answer,
    gradients: Sequence[np.ndarray],
    counts: Sequence[int],
    idea: str = "Every rank returns the sum of what the ranks keep, each number at its own place, "
    "divided by the number of ranks.",
) -> None:
    """Hold one run to the mean of what ranks keep, for no more bytes than that takes."""
    world_size = len(gradients)
    handed = [gradient.copy() for gradient in gradients]
    run = on_ranks(compressed_mean, world_size, PerRank(handed), PerRank(list(counts)))
    given = _describe(gradients, counts)
    wanted = mean_of_kept(gradients, counts)
    for rank, result in enumerate(run.results):
        where = f"{given}\nwhat rank {rank} returned"
        expect_close(result, wanted, rtol=1e-6, atol=1e-6, given=where, hint=idea)
    _expect_untouched(handed, gradients, given)
    pairs = world_size * (world_size - 1)
    _expect_at_most(
        run,
        (world_size - 1) * sum(counts) * ENTRY_BYTES + pairs * LENGTH_BYTES,
        given,
        "What is kept travels: an int32 for the place and a float32 for the value. Zeros between "
        "them, and padding to the longest message, travel at the price of data.",
    )


def draw_float32(rng: np.random.Generator, world_size: int, num_elements: int) -> list[np.ndarray]:
    """Draw gradients whose large numbers are partly at the same places, with ties."""
    loud = 1 + 9 * (rng.random(num_elements) < 0.2)
    gradients = loud * rng.normal(size=(world_size, num_elements))
    return list(np.round(gradients * 4).astype(np.float32) / np.float32(4))


def _describe(gradients: Sequence[np.ndarray], counts: Sequence[int] | None = None) -> str:
    text = f"{len(gradients)} rank(s), {len(gradients[0])} numbers of {gradients[0].dtype}"
    kept = "" if counts is None else f"; num_kept by rank: {list(counts)}"
    if sum(map(len, gradients)) > 24:
        return text + kept
    lines = [f"rank {rank}: gradient = {show(own)}" for rank, own in enumerate(gradients)]
    return "\n".join([text + kept, *lines])


def _expect_untouched(
    handed: Sequence[np.ndarray], before: Sequence[np.ndarray], given: str
) -> None:
    for rank, (mine, old) in enumerate(zip(handed, before, strict=True)):
        where = f"{given}\nthe gradient of rank {rank} after the call"
        expect_equal(mine, old, given=where, hint=NEW_ARRAYS)


def _expect_at_most(run: Run, limit: int, given: str, idea: str) -> None:
    total = run.ledger.total_bytes
    expect(
        total <= limit,
        given=given,
        expected=f"at most {limit} bytes sent by all ranks together",
        got=f"{total}, by rank {list(run.ledger.sent_bytes)}",
        hint=idea,
    )
