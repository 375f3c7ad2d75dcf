"""What ranks owe that grow a tree together: the right answer on each, and no byte beyond its price.

Public and hidden tests share these; they differ in their inputs. A hint names the idea and never
a value, since a hidden test shows its hint.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm import PerRank, Run
from mlsys_lib.grading.expect import expect, expect_equal, show
from mlsys_lib.grading.public.distributed_trees.votes import elected
from mlsys_lib.grading.ranks import on_ranks

Answer = Callable[..., Any]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Codes (n, d), statistics (n, c) and node (n,) of a rank's rows."""


def draw_rows(
    rng: np.random.Generator, sizes: Sequence[int], shape: tuple[int, int, int, int]
) -> list[Rows]:
    """Draw each rank's rows, a share of them in leaves; sums of their statistics are exact.

    Parameters
    ----------
    rng : Generator
    sizes : sequence of int
        Rows of each rank.
    shape : tuple of int
        That of the histograms: nodes, features, bins, statistics.
    """
    num_nodes, num_features, num_bins, num_statistics = shape
    return [
        (
            rng.integers(0, num_bins, (size, num_features)).astype(np.uint8),
            rng.integers(-(2**40), 2**40, (size, num_statistics)).astype(np.float64),
            rng.integers(-1, num_nodes, size),
        )
        for size in sizes
    ]


def histograms_of(rows: Rows, num_nodes: int, num_bins: int) -> np.ndarray:
    """Return the statistics by node, feature and bin; rows of node -1 count nowhere."""
    codes, stats, node = rows
    histograms = np.zeros((num_nodes, codes.shape[1], num_bins, stats.shape[1]))
    for row in np.flatnonzero(node >= 0):
        for feature, code in enumerate(codes[row]):
            histograms[node[row], feature, code] += stats[row]
    return histograms


def expect_level_histograms(
    level_histograms: Answer,
    ranks: Sequence[Rows],
    num_nodes: int,
    num_bins: int,
    idea: str = "Rows add their statistics up by node, feature and bin, and ranks add up bins.",
) -> None:
    """Hold one run to the sums, bytes and messages of one ring all-reduce."""
    world_size = len(ranks)
    handed = [PerRank([part.copy() for part in column]) for column in zip(*ranks, strict=True)]
    run = on_ranks(level_histograms, world_size, *handed, num_nodes, num_bins)
    codes, stats, node = (np.concatenate(column) for column in zip(*ranks, strict=True))
    wanted = histograms_of((codes, stats, node), num_nodes, num_bins)
    given = _describe_rows(ranks, num_nodes, num_bins)
    _expect_on_each_rank(run, wanted, given, idea)
    steps = 2 * (world_size - 1)
    _expect_bytes(
        run,
        steps * wanted.size * 8,
        given,
        "Histograms travel and no rows: one ring all-reduce of num_nodes · d · num_bins · c "
        "numbers. A rank without rows takes part with zeros.",
    )
    most = max(run.ledger.sent_messages)
    expect(
        most <= steps,
        given=given,
        expected=f"at most {steps} messages sent by each rank",
        got=str(most),
        hint="Put all nodes and features of the level into one array, and reduce that.",
    )


def expect_routed(
    route_rows: Answer,
    goes_left: np.ndarray,
    world_size: int,
    owner: int,
    idea: str = "Every rank returns what the owner knows: an array of num_rows bools.",
) -> None:
    """Hold one run to the owner's answers on each rank, for one bit a row and receiver."""
    handed = [goes_left.copy() if rank == owner else None for rank in range(world_size)]
    num_rows = len(goes_left)
    run = on_ranks(route_rows, world_size, PerRank(handed), owner, num_rows)
    bits = "".join("01"[int(bit)] for bit in goes_left)
    given = f"{world_size} rank(s), {num_rows} rows; rank {owner} knows who goes left: {bits}"
    _expect_on_each_rank(run, goes_left, given, idea)
    _expect_bytes(
        run,
        (world_size - 1) * -(-num_rows // 8),
        given,
        "A bool of NumPy takes a byte: pack eight of them into one before you send. Only the owner "
        "knows something, so each other rank hears it once.",
    )


def expect_elected(
    elect_features: Answer,
    gains: Sequence[np.ndarray],
    top_k: int,
    idea: str = "Votes are counted, whatever the gain behind them; all ranks elect the same.",
) -> None:
    """Hold one run to the elected features on each rank, for an all-gather of the ballots."""
    world_size = len(gains)
    run = on_ranks(elect_features, world_size, PerRank([g.copy() for g in gains]), top_k)
    lines = [f"rank {rank}: gains = {show(own)}" for rank, own in enumerate(gains)]
    given = "\n".join([f"{world_size} rank(s), {top_k} vote(s) each", *lines])
    _expect_on_each_rank(run, elected(gains, top_k), given, idea)
    _expect_bytes(
        run,
        world_size * (world_size - 1) * top_k * 8,
        given,
        "Only ballots travel: an all-gather of top_k int64 of each rank, padded with -1.",
    )


def _describe_rows(ranks: Sequence[Rows], num_nodes: int, num_bins: int) -> str:
    text = (
        f"{len(ranks)} rank(s) with {[len(node) for *_, node in ranks]} rows, "
        f"num_nodes = {num_nodes}, num_bins = {num_bins}"
    )
    if sum(len(node) for *_, node in ranks) > 8:
        return text
    lines = [
        f"rank {rank}: codes = {show(codes)}, stats = {show(stats)}, node = {show(node)}"
        for rank, (codes, stats, node) in enumerate(ranks)
    ]
    return "\n".join([text, *lines])


def _expect_on_each_rank(run: Run, wanted: np.ndarray, given: str, idea: str) -> None:
    """Hold what each rank returned to the same array; `idea` is what the exercise turns on."""
    for rank, result in enumerate(run.results):
        expect_equal(result, wanted, given=f"{given}\nwhat rank {rank} returned", hint=idea)


def _expect_bytes(run: Run, total: int, given: str, idea: str) -> None:
    """All ranks together sent `total` bytes."""
    expect(
        run.ledger.total_bytes == total,
        given=given,
        expected=f"{total} bytes sent by all ranks together",
        got=f"{run.ledger.total_bytes}, by rank {list(run.ledger.sent_bytes)}",
        hint=idea,
    )
