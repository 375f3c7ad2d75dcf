"""What ranks owe that look for one minimum: the right answer on each, in one all-reduce.

Public and hidden tests share these; they differ in their inputs. A hint names the idea and never
a value, since a hidden test shows its hint.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm import PerRank, Run
from mlsys_lib.grading.expect import expect, expect_close, expect_equal, show
from mlsys_lib.grading.public.distributed_optimization.averages import averaged
from mlsys_lib.grading.public.distributed_optimization.hinge import Block, gap_of, weights_of
from mlsys_lib.grading.ranks import on_ranks

Answer = Callable[..., Any]
WORD_BYTES = 8


# -- bias_corrected --------------------------------------------------------------------------------
def expect_corrected(
    bias_corrected: Answer,
    whole: Sequence[np.ndarray],
    part: Sequence[np.ndarray],
    counts: Sequence[int],
    fraction: float,
    idea: str = "Correct, weigh by examples, and leave out whoever has none.",
) -> None:
    """Hold one run to (w̄ - share · w̄_share) / (1 - share), for d + 1 numbers all-reduced."""
    ranks = [PerRank([a.copy() for a in whole]), PerRank([a.copy() for a in part])]
    run = on_ranks(bias_corrected, len(counts), *ranks, PerRank(list(counts)), fraction)
    wanted = (averaged(whole, counts) - fraction * averaged(part, counts)) / (1 - fraction)
    lines = [
        f"rank {rank}: whole = {show(a)}, part = {show(b)}, num_own = {n}"
        for rank, (a, b, n) in enumerate(zip(whole, part, counts, strict=True))
    ]
    given = "\n".join([f"{len(counts)} rank(s), fraction = {fraction:g}", *lines])
    for rank, result in enumerate(run.results):
        expect_close(
            result,
            wanted,
            rtol=1e-9,
            atol=1e-9,
            given=f"{given}\nwhat rank {rank} returned",
            hint=idea,
        )
    _expect_one_all_reduce(
        run,
        len(wanted) + 1,
        given,
        "The formula is linear: a rank can correct its own answer before it sends anything. Then "
        "d numbers and the count fill one array.",
    )


# -- duality_gap -----------------------------------------------------------------------------------
def expect_gap(
    duality_gap: Answer,
    blocks: Sequence[Block],
    penalty: float,
    idea: str = "Sums over all ranks' examples, divided by n; the penalty once in P and in D.",
) -> None:
    """Hold one run to the gap of all examples on each rank, for at most two numbers all-reduced."""
    w = weights_of(blocks, penalty)
    ranks = [PerRank([a.copy() for a in part]) for part in zip(*blocks, strict=True)]
    num_examples = sum(len(y) for _, y, _ in blocks)
    copies = PerRank([w.copy() for _ in blocks])
    run = on_ranks(duality_gap, len(blocks), *ranks, copies, penalty, num_examples)
    given = _describe(blocks, w, f"penalty = {penalty:g}, num_examples = {num_examples}")
    for rank, result in enumerate(run.results):
        expect_close(
            result,
            gap_of(blocks, w, penalty),
            rtol=1e-9,
            atol=1e-9,
            given=f"{given}\nwhat rank {rank} returned",
            hint=idea,
        )
    _expect_one_all_reduce(
        run,
        2,
        given,
        "Two sums are all that has to travel, and both fit into one array. All ranks have w "
        "already.",
        at_most=True,
    )


# -- cocoa_round -----------------------------------------------------------------------------------
def solved(
    block: Block, w: np.ndarray, penalty: float, num_examples: int, scale: float
) -> np.ndarray:
    """Return the best change of a rank's duals for ridge: what the notebook's solver returns."""
    X, y, dual = block
    curvature = scale / (penalty * num_examples) * X @ X.T
    return np.asarray(np.linalg.solve(np.eye(len(y)) + curvature, y - dual - X @ w))


def round_of(
    blocks: Sequence[Block], w: np.ndarray, penalty: float, aggregation: float, scale: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return w and every rank's ζ after one round."""
    n = sum(len(y) for _, y, _ in blocks)
    changes = [solved(block, w, penalty, n, scale) for block in blocks]
    moved = [
        (X, y, dual + aggregation * change)
        for (X, y, dual), change in zip(blocks, changes, strict=True)
    ]
    return weights_of(moved, penalty), [dual for *_, dual in moved]


def expect_round(
    cocoa_round: Answer,
    blocks: Sequence[Block],
    penalty: float,
    aggregation: float,
    scale: float,
    idea: str = "w moves by ω times the sum of all ranks' changes; the solver is told s.",
) -> None:
    """Hold one run to w and ζ after a round, for one vector all-reduced."""
    w, world_size = weights_of(blocks, penalty), len(blocks)
    handed = [PerRank([a.copy() for a in part]) for part in zip(*blocks, strict=True)]
    copies = PerRank([w.copy() for _ in blocks])
    n = sum(len(y) for _, y, _ in blocks)
    run = on_ranks(cocoa_round, world_size, *handed, copies, penalty, n, aggregation, scale)
    numbers = (
        f"penalty = {penalty:g}, num_examples = {n}, aggregation = {aggregation:g}, "
        f"scale = {scale:g}"
    )
    given = _describe(blocks, w, numbers)
    moved, duals = round_of(blocks, w, penalty, aggregation, scale)
    for rank, (got, dual) in enumerate(zip(run.results, duals, strict=True)):
        _expect_pair(got, moved, dual, f"{given}\nwhat rank {rank} returned", idea)
    for name, mine, before in (
        ("dual", handed[2], [dual for *_, dual in blocks]),
        ("w", copies, [w] * world_size),
    ):
        for rank, (after, wanted) in enumerate(zip(mine.values, before, strict=True)):
            expect_equal(
                after,
                wanted,
                given=f"{given}\n{name} of rank {rank} after the call",
                hint="The old w and duals belong to the caller: return new arrays.",
            )
    _expect_one_all_reduce(
        run,
        len(w),
        given,
        "Only one vector of d numbers travels: the change of w. Examples and duals stay where they "
        "are.",
    )


def _expect_pair(got: Any, moved: np.ndarray, dual: np.ndarray, given: str, idea: str) -> None:
    """Hold what one rank returned to (w, ζ)."""
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 2),
        given=f"{given}; its type and length",
        hint="Return (w, dual).",
    )
    expect_close(got[0], moved, rtol=1e-7, atol=1e-9, given=f"{given}; w", hint=idea)
    expect_close(
        got[1],
        dual,
        rtol=1e-7,
        atol=1e-9,
        given=f"{given}; its duals",
        hint="The duals move by ω times their change, as w does. Else w is no longer w(ζ).",
    )


def draw_targets(rng: np.random.Generator, sizes: Sequence[int], num_features: int) -> list[Block]:
    """Draw each rank's examples of a regression, and duals of a run that is under way."""
    return [
        (rng.normal(size=(size, num_features)), rng.normal(size=size), rng.normal(size=size))
        for size in sizes
    ]


# -- all three -------------------------------------------------------------------------------------
def _describe(blocks: Sequence[Block], w: np.ndarray, numbers: str) -> str:
    text = f"{len(blocks)} rank(s) with {[len(y) for _, y, _ in blocks]} examples, {numbers}"
    if sum(len(y) for _, y, _ in blocks) > 8:
        return text
    lines = [
        f"rank {rank}: X = {show(X)}, y = {show(y)}, dual = {show(dual)}"
        for rank, (X, y, dual) in enumerate(blocks)
    ]
    return "\n".join([f"{text}, w = {show(w)}", *lines])


def _expect_one_all_reduce(
    run: Run, num_words: int, given: str, idea: str, *, at_most: bool = False
) -> None:
    """Hold bytes and messages to those of one ring all-reduce of `num_words` numbers."""
    steps = 2 * (len(run.results) - 1)
    total, most = run.ledger.total_bytes, max(run.ledger.sent_messages)
    limit = steps * num_words * WORD_BYTES
    expect(
        total <= limit if at_most else total == limit,
        given=given,
        expected=f"{'at most ' * at_most}{limit} bytes sent by all ranks together",
        got=f"{total}, by rank {list(run.ledger.sent_bytes)}",
        hint=idea,
    )
    expect(
        most <= steps,
        given=given,
        expected=f"at most {steps} messages sent by each rank",
        got=str(most),
        hint="Each all-reduce costs its latency anew: put all that travels into one array.",
    )
