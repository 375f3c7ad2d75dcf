"""What a round of each method costs, as closed forms; the tests hold each to the ledger.

n examples with z entries in all (dense: z = n d), d features, m ranks, words of 8 bytes.

| method | entries read a round, by all ranks | words all-reduced a round |
| --- | --- | --- |
| gradient descent | 2 z | d |
| mini-batch SGD, batch b | 2 z b/n | d |
| local SGD, H steps of b_i | 2 z m H b_i/n | d |
| CoCoA, H steps | 2 z m H/n | d + 2 |
| mini-batch SDCA, batch b | 2 z b/n | d + 2 |
| one-shot averaging, once | 2 z times the passes of the slowest solver | d |

The sheet says O(nk) compute for gradient descent and O(k) for SGD, and leaves out what each sends:
a step of either moves a whole gradient over every link, so a method is judged by its rounds.
"""

from collections.abc import Callable

import numpy as np

from mlsys_lib.collectives.cost import Cost, ring_all_gather_cost, ring_all_reduce_cost
from mlsys_lib.core.validate import integer
from mlsys_lib.distributed_optimization.shards import FACTS

AllReduceCost = Callable[[int, int, int], Cost]
WORD_BYTES = 8
CERTIFICATE = 2
"""Words that ride with a round's vector where there is a dual: sums of losses and dual values."""


def primal_cost(
    world_size: int,
    num_features: int,
    num_rounds: int,
    all_reduce_cost: AllReduceCost = ring_all_reduce_cost,
) -> Cost:
    """Return what gradient descent, mini-batch SGD and local SGD send in `num_rounds` rounds.

    One-shot averaging, corrected or not, is one round. Before the first, a ring tells the facts of
    the shards.

    Examples
    --------
    >>> primal_cost(world_size=4, num_features=1000, num_rounds=10).sent_bytes.tolist()
    [120120, 120120, 120120, 120120]
    """
    one = all_reduce_cost(world_size, num_features, WORD_BYTES)
    return _join_cost(world_size) + _times(one, num_rounds)


def dual_cost(
    world_size: int,
    num_features: int,
    num_rounds: int,
    all_reduce_cost: AllReduceCost = ring_all_reduce_cost,
) -> Cost:
    """Return what CoCoA and mini-batch SDCA send if they do not stop before `num_rounds`."""
    one = all_reduce_cost(world_size, num_features + CERTIFICATE, WORD_BYTES)
    last = all_reduce_cost(world_size, CERTIFICATE, WORD_BYTES)
    return _join_cost(world_size) + _times(one, num_rounds) + last


def lasso_cost(world_size: int, num_examples: int, num_rounds: int) -> Cost:
    """Return what ProxCoCoA sends if it does not stop before `num_rounds`; d does not matter."""
    tell = ring_all_gather_cost(world_size, 4, WORD_BYTES)
    scores = ring_all_reduce_cost(world_size, num_examples + 1, WORD_BYTES)
    number = ring_all_reduce_cost(world_size, 1, WORD_BYTES)
    return tell + _times(scores, num_rounds) + _times(number, num_rounds + 2)


def _join_cost(world_size: int) -> Cost:
    return ring_all_gather_cost(world_size, FACTS, WORD_BYTES)


def _times(one: Cost, num_rounds: int) -> Cost:
    times = integer("num_rounds", num_rounds, 0)
    return Cost(
        times * one.rounds,
        times * one.path_messages,
        times * one.path_bytes,
        np.asarray(times * one.sent_bytes),
    )
