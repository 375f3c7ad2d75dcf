"""What each collective costs, as closed forms: rounds, bytes, and seconds by the α–β model.

m is `world_size`, N the bytes of one rank's array. The tests hold every form to the ledger of a
run. For an all-reduce no schedule sends fewer than 2 (m - 1) / m · N bytes from some rank
(Patarasuk & Yuan, 2009).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlsys_lib.collectives.chunks import chunk_sizes
from mlsys_lib.collectives.recursive_doubling import largest_power_of_two
from mlsys_lib.comm.network import Network
from mlsys_lib.core.validate import integer, positive_int


@dataclass(frozen=True)
class Cost:
    """The cost of one collective.

    Attributes
    ----------
    rounds : int
        Steps on the longest path; each pays α.
    path_messages : int
        Messages that queue at a port along that path; all but one of each round pay the overhead.
    path_bytes : int
        Bytes that queue along that path; each pays β.
    sent_bytes : ndarray of shape (world_size,), int64
        Bytes that each rank sends.
    """

    rounds: int
    path_messages: int
    path_bytes: int
    sent_bytes: np.ndarray

    def time_s(self, network: Network) -> float:
        """Return the seconds until the last rank is done, on equal links."""
        queued = self.path_messages - self.rounds
        return (
            self.rounds * network.latency_s
            + queued * network.overhead_s
            + self.path_bytes * network.seconds_per_byte
        )

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.rounds + other.rounds,
            self.path_messages + other.path_messages,
            self.path_bytes + other.path_bytes,
            self.sent_bytes + other.sent_bytes,
        )


def ring_reduce_scatter_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """Take m - 1 rounds; each rank sends every chunk but its own."""
    sizes = _chunk_bytes(world_size, num_elements, itemsize)
    steps = world_size - 1
    return Cost(steps, steps, int(steps * sizes[0]), sizes.sum() - sizes)


def ring_all_gather_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """Take m - 1 rounds of N bytes, where N is what each rank has at first."""
    steps = _checked(world_size, num_elements, itemsize) - 1
    size = num_elements * itemsize
    return Cost(steps, steps, steps * size, _equal(world_size, steps * size))


def ring_all_reduce_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """2 (m - 1) rounds of a chunk; the largest chunk sets the pace."""
    sizes = _chunk_bytes(world_size, num_elements, itemsize)
    steps = 2 * (world_size - 1)
    sent = 2 * sizes.sum() - np.roll(sizes, -1) - np.roll(sizes, -2)
    return Cost(steps, steps, int(steps * sizes[0]), sent)


def gather_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """One round; (m - 1) N bytes into the root."""
    others = _checked(world_size, num_elements, itemsize) - 1
    size = num_elements * itemsize
    sent = _equal(world_size, size)
    sent[0] = 0
    return Cost(min(others, 1), others, others * size, sent)


def scatter_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """One round; m - 1 rows out of the root, where `num_elements` is one row's."""
    others = _checked(world_size, num_elements, itemsize) - 1
    size = num_elements * itemsize
    sent = _equal(world_size, 0)
    sent[0] = others * size
    return Cost(min(others, 1), others, others * size, sent)


def naive_all_reduce_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """Gather, and send the result back: 2 rounds, 2 (m - 1) N bytes through rank 0."""
    return gather_cost(world_size, num_elements, itemsize) + scatter_cost(
        world_size, num_elements, itemsize
    )


def tree_reduce_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """ceil(log2 m) rounds of N bytes; every rank but the root sends once."""
    rounds = _ceil_log2(_checked(world_size, num_elements, itemsize))
    size = num_elements * itemsize
    sent = _equal(world_size, size)
    sent[0] = 0
    return Cost(rounds, rounds, rounds * size, sent)


def tree_broadcast_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """ceil(log2 m) rounds of N bytes; a rank sends once for each of its children."""
    rounds = _ceil_log2(_checked(world_size, num_elements, itemsize))
    size = num_elements * itemsize
    ranks = np.arange(world_size)
    reach = np.where(ranks == 0, 1 << rounds, ranks & -ranks)  # children are nearer than this
    children = sum(
        ((1 << i < reach) & (ranks + (1 << i) < world_size) for i in range(rounds)),
        start=np.zeros(world_size, np.int64),
    )
    return Cost(rounds, rounds, rounds * size, children * size)


def tree_all_reduce_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """2 ceil(log2 m) rounds of N bytes."""
    return tree_reduce_cost(world_size, num_elements, itemsize) + tree_broadcast_cost(
        world_size, num_elements, itemsize
    )


def recursive_doubling_all_reduce_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """log2 p rounds of N bytes, p the largest power of two; 2 more if m is not p."""
    power = largest_power_of_two(_checked(world_size, num_elements, itemsize))
    rounds, size = _ceil_log2(power), num_elements * itemsize
    sent = np.zeros(world_size, np.int64)
    sent[:power] = rounds * size
    return Cost(rounds, rounds, rounds * size, sent) + _fold_cost(world_size, power, size)


def halving_doubling_all_reduce_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """2 log2 p rounds, 2 (p - 1) / p · N bytes; 2 rounds of N bytes more if m is not p."""
    power = largest_power_of_two(_checked(world_size, num_elements, itemsize))
    levels = _ceil_log2(power)
    starts = np.cumsum([0, *chunk_sizes(num_elements, power)]) * itemsize
    ranks = np.arange(power)
    sent = np.zeros(world_size, np.int64)
    path_bytes = 0
    for level in range(levels):
        length = 1 << level
        mine, partner = ranks // length * length, ranks // length * length ^ length
        sent[:power] += starts[mine + length] - starts[mine]  # doubling sends what is kept
        sent[:power] += starts[partner + length] - starts[partner]  # halving what is given
        path_bytes += 2 * int(starts[length])
    cost = Cost(2 * levels, 2 * levels, path_bytes, sent)
    return cost + _fold_cost(world_size, power, num_elements * itemsize)


def parameter_server_all_reduce_cost(
    world_size: int, num_elements: int, itemsize: int, num_servers: int = 1
) -> Cost:
    """2 rounds; 2 (m - 1) N / S bytes through each of the S servers.

    `path_bytes` is exact where S divides the number of elements; otherwise the path is shorter by
    at most 2 m elements.
    """
    others = _checked(world_size, num_elements, itemsize) - 1
    sizes = np.zeros(world_size, np.int64)  # what each rank serves
    sizes[:num_servers] = np.array(chunk_sizes(num_elements, num_servers)) * itemsize
    sent = sizes.sum() - sizes + others * sizes
    rounds = 2 * min(others, 1)
    return Cost(rounds, 2 * others, int(2 * others * sizes[0]), sent if others else sizes * 0)


ALL_REDUCE_COSTS: dict[str, Callable[[int, int, int], Cost]] = {
    "naive": naive_all_reduce_cost,
    "tree": tree_all_reduce_cost,
    "recursive doubling": recursive_doubling_all_reduce_cost,
    "ring": ring_all_reduce_cost,
    "halving-doubling": halving_doubling_all_reduce_cost,
}
"""The cost of each of `mlsys_lib.collectives.ALL_REDUCES`, by the same names."""


def all_to_all_cost(world_size: int, num_elements: int, itemsize: int) -> Cost:
    """Take m - 1 rounds of one row, where `num_elements` is one row's."""
    return ring_all_gather_cost(world_size, num_elements, itemsize)


def barrier_cost(world_size: int) -> Cost:
    """ceil(log2 m) rounds of nothing."""
    rounds = _ceil_log2(positive_int("world_size", world_size))
    return Cost(rounds, rounds, 0, _equal(world_size, 0))


def lower_bound_bytes(world_size: int, num_elements: int, itemsize: int) -> float:
    """Bytes that some rank must send in any all-reduce: 2 (m - 1) / m · N."""
    _checked(world_size, num_elements, itemsize)
    return 2 * (world_size - 1) / world_size * num_elements * itemsize


def crossover_elements(
    slow_start: Callable[..., Cost],
    fast_start: Callable[..., Cost],
    world_size: int,
    itemsize: int,
    network: Network,
) -> float:
    """Return the number of elements from which `slow_start` is the faster of two collectives.

    Both times are straight lines over the size (up to chunk rounding), so their crossing is a
    division. Infinite if `slow_start` never wins.

    Examples
    --------
    >>> ten_gigabit = Network(50e-6, 0.8e-9)
    >>> round(crossover_elements(ring_all_reduce_cost, tree_all_reduce_cost, 8, 4, ten_gigabit))
    29412
    """
    large = world_size * 2**20
    start_s, slope_s = [], []
    for cost in (slow_start, fast_start):
        zero_s = cost(world_size, 0, itemsize).time_s(network)
        start_s.append(zero_s)
        slope_s.append((cost(world_size, large, itemsize).time_s(network) - zero_s) / large)
    if slope_s[1] <= slope_s[0] * (1 + 1e-9):  # equal but for rounding: the lines never cross
        return 0.0 if start_s[0] <= start_s[1] else float("inf")
    return max(0.0, (start_s[0] - start_s[1]) / (slope_s[1] - slope_s[0]))


def _checked(world_size: int, num_elements: int, itemsize: int) -> int:
    integer("num_elements", num_elements, 0)
    positive_int("itemsize", itemsize)
    return positive_int("world_size", world_size)


def _equal(world_size: int, size_bytes: int) -> np.ndarray:
    return np.full(world_size, size_bytes, np.int64)


def _chunk_bytes(world_size: int, num_elements: int, itemsize: int) -> np.ndarray:
    _checked(world_size, num_elements, itemsize)
    return np.array(chunk_sizes(num_elements, world_size), np.int64) * itemsize


def _ceil_log2(world_size: int) -> int:
    return (world_size - 1).bit_length()


def _fold_cost(world_size: int, power: int, size_bytes: int) -> Cost:
    """Add a round before and a round after, for ranks beyond the largest power of two."""
    extra = world_size - power
    sent = np.zeros(world_size, np.int64)
    sent[:extra] += size_bytes  # the result goes back
    sent[power:] += size_bytes
    rounds = 2 * min(extra, 1)
    return Cost(rounds, rounds, rounds * size_bytes, sent)
