"""What growing a tree sends, as closed forms, in bytes; the tests hold each to the ledger.

n rows, d features, h codes of a feature, c statistics, m ranks, D levels of splits. Words and bits
are never mixed: a word here is 8 bytes.

The sheet has O(2^D h d m) for PLANET (and writes B for h and k for d), and O(2^D m + D n m) for
Yggdrasil. The first counts words. In the second, 2^D m counts words and D n m counts *bits*. So, if
each rank sends everything once, PLANET is the cheaper one while

    (2^D - 1) h d c  <  (2^D - 1) (5 + c) + D n / 64,

which is 2^D against D n, and not "small D / n".
"""

import math
from collections.abc import Sequence

from mlsys_lib.core.validate import integer, positive_int
from mlsys_lib.distributed_trees.controller import Job
from mlsys_lib.distributed_trees.map_task import EXPAND, HEADER_WORDS

WORD_BYTES = 8


def planet_bytes(
    nodes: Sequence[int], num_features: int, num_slots: int, width: int, world_size: int
) -> int:
    """Return the bytes that all ranks together send for histograms, by ring all-reduce.

    Parameters
    ----------
    nodes : sequence of int
        Nodes counted in each level; `full_levels` gives those of a tree that is full.
    num_features, num_slots, width : int
        d, h and c.
    world_size : int
        m.

    Notes
    -----
    A ring sends each number 2 (m - 1) times in all. A tree without a split costs c numbers.
    """
    positive_int("world_size", world_size)
    words = sum(nodes) * num_features * num_slots * width if nodes else width
    return 2 * (world_size - 1) * words * WORD_BYTES


def reduce_scatter_bytes(
    nodes: Sequence[int],
    tried: Sequence[int],
    num_features: int,
    num_slots: int,
    width: int,
    world_size: int,
) -> int:
    """Return the bytes that all ranks together send when histograms are reduce-scattered.

    Parameters
    ----------
    nodes : sequence of int
        Nodes counted in each level.
    tried : sequence of int
        Nodes that are tried in each level: with sibling subtraction about twice as many.
    num_features, num_slots, width, world_size : int
        d, h, c and m.

    Notes
    -----
    Each number of a histogram travels m - 1 times, d rounded up to a multiple of m. The best split
    of each node is found by an all-reduce on a tree, and at the start all ranks' total on a ring.
    """
    positive_int("world_size", world_size)
    shared = -(-num_features // world_size) * world_size
    words = sum(nodes) * shared * num_slots * width + 2 * width
    split_bytes = (3 + width) * WORD_BYTES + math.ceil(num_slots / 8)
    return (world_size - 1) * (words * WORD_BYTES + 2 * sum(tried) * split_bytes)


def voting_bytes(
    tried: Sequence[int],
    elected: Sequence[int],
    top_k: int,
    num_slots: int,
    width: int,
    world_size: int,
) -> int:
    """Return the bytes that all ranks together send in voting parallel.

    Parameters
    ----------
    tried : sequence of int
        Nodes that are tried in each level.
    elected : sequence of int
        Features elected in each level, over its nodes: at most 2 `top_k` a node.
    top_k, num_slots, width, world_size : int
        Votes of a rank at a node, h, c and m.

    Notes
    -----
    The features are not in it, d may grow.
    """
    positive_int("world_size", world_size)
    votes = world_size * sum(tried) * top_k
    words = sum(elected) * num_slots * width + width
    return (world_size - 1) * (votes + 2 * words) * WORD_BYTES


def controller_bytes(
    jobs: Sequence[Job], num_features: int, num_slots: int, width: int, world_size: int
) -> int:
    """Return the bytes that the controller and its workers send, for jobs that were run.

    Parameters
    ----------
    jobs : sequence of Job
        Of a `ControllerTrace`: for each, how many nodes, tasks and losses there were, and how many
        nodes the model had. Subtrees grown in memory are as large as they turn out to be.
    num_features, num_slots, width, world_size : int
        d, h, c and m.

    Notes
    -----
    The histograms in it are num_blocks · d h c words for each node that is expanded: with one block
    for each worker, the sheet's (2^D - 1) d h m c.
    """
    model_row = (6 + width) * WORD_BYTES + math.ceil(num_slots / 8)
    total = (world_size - 1) * HEADER_WORDS * WORD_BYTES  # to stop
    for job in jobs:
        task = (HEADER_WORDS + job.num_nodes) * WORD_BYTES + job.model_nodes * model_row
        answer = 2 * WORD_BYTES
        results = job.result_bytes
        if job.kind == EXPAND:
            histograms = job.num_nodes * num_features * num_slots * width * WORD_BYTES
            results = (job.num_tasks - job.num_lost) * histograms
        total += job.num_tasks * (task + answer) + results
    return total


def yggdrasil_bytes(
    nodes: Sequence[int], rows_by_owner: Sequence[Sequence[int]], width: int, world_size: int
) -> int:
    """Return the bytes that all ranks together send.

    Parameters
    ----------
    nodes : sequence of int
        Nodes that are tried in each level.
    rows_by_owner : sequence of sequences of int
        For each level, and each rank that owns a winning column there: rows of the nodes that it
        splits. Together they are at most n.
    width : int
        c.
    world_size : int
        m.
    """
    positive_int("world_size", world_size)
    cuts = 2 * (world_size - 1) * sum(nodes) * (5 + width) * WORD_BYTES
    bits = sum(math.ceil(rows / 8) for level in rows_by_owner for rows in level)
    return cuts + (world_size - 1) * bits


def planet_memory_bytes(
    num_rows: int, num_features: int, num_slots: int, width: int, max_depth: int
) -> int:
    """Return the bytes that a rank needs at most besides its shard, for a full tree.

    Parameters
    ----------
    num_rows : int
        Of this rank.
    num_features, num_slots, width, max_depth : int
        d, h, c and D.

    Notes
    -----
    When the last level is counted, five times 2^(D - 2) histograms exist at once: those of the
    level before, a copy of them, what was counted, and twice as many of the new level. Scoring a
    node takes a few times its histogram, and each row 6 + c words. What Python itself keeps for a
    tree, some hundred kB, is not counted.
    """
    histogram = num_features * num_slots * width
    scoring = 2 * num_features * num_slots * (width + 10)
    level = 1 << max(0, max_depth - 2)
    return (5 * level * histogram + scoring + num_rows * (6 + width)) * WORD_BYTES


def yggdrasil_memory_bytes(num_rows: int, width: int) -> int:
    """Return the bytes that a rank needs at most besides its shard: 20 + 6 c words a row.

    Columns are looked at one after another, so their number is not in it; nor is the depth.
    """
    return num_rows * (20 + 6 * width) * WORD_BYTES


def full_levels(max_depth: int, *, subtract: bool) -> list[int]:
    """Return the nodes that are counted in each level of a full tree.

    >>> full_levels(4, subtract=False), full_levels(4, subtract=True)
    ([1, 2, 4, 8], [1, 1, 2, 4])
    """
    integer("max_depth", max_depth, 0)
    return [2**d // (2 if subtract and d else 1) for d in range(max_depth)]


def crossover_depth(
    num_rows: int,
    num_features: int,
    num_slots: int,
    *,
    width: int = 1,
    cut_words: int = 1,
    word_bits: int = 32,
    limit: int = 60,
) -> int | None:
    """Return the first depth at which PLANET sends more than Yggdrasil; None up to `limit`.

    Counted as papers do: each rank sends its histograms, and its cuts, once, and hears each row's
    bit once a level; nothing is subtracted. So m drops out.

    Parameters
    ----------
    num_rows, num_features, num_slots, width : int
        n, d, h and c.
    cut_words : int
        Words that tell of a cut.
    word_bits : int
        Bits in a word. 1 charges a row's bit as a whole word, as one does who confuses the two.

    Examples
    --------
    >>> crossover_depth(10**6, 100, 32), crossover_depth(10**6, 100, 32, word_bits=1)
    (6, 12)
    """
    for depth in range(1, limit + 1):
        planet_words = (2**depth - 1) * num_slots * num_features * width
        yggdrasil_words = (2**depth - 1) * cut_words + depth * num_rows / word_bits
        if planet_words > yggdrasil_words:
            return depth
    return None
