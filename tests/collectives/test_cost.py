"""The closed forms against the tables of the book, and against one another."""

import numpy as np
import pytest

from mlsys_lib.collectives import cost
from mlsys_lib.comm import Network

TEN_GIGABIT = Network(latency_s=50e-6, seconds_per_byte=0.8e-9)
WORD = 4  # bytes of a float32


def alpha_and_k(form: cost.Cost, num_elements: int) -> tuple[float, float]:
    """Return the factors of α and of k β."""
    return form.time_s(Network(1.0, 0.0)), form.time_s(Network(0.0, 1.0)) / num_elements / WORD


@pytest.mark.parametrize(
    ("collective", "at_8", "at_64"),
    [
        (cost.tree_all_reduce_cost, (6, 6), (12, 12)),
        (cost.recursive_doubling_all_reduce_cost, (3, 3), (6, 6)),
        (cost.ring_all_reduce_cost, (14, 1.75), (126, 1.96875)),
        (cost.halving_doubling_all_reduce_cost, (6, 1.75), (12, 1.96875)),
        (cost.naive_all_reduce_cost, (2, 14), (2, 126)),
    ],
)
def test_table_of_time(collective, at_8, at_64) -> None:  # type: ignore[no-untyped-def]
    """α and k β of each algorithm, for 8 and 64 workers."""
    assert alpha_and_k(collective(8, 6400, WORD), 6400) == at_8
    assert alpha_and_k(collective(64, 6400, WORD), 6400) == at_64


@pytest.mark.parametrize(
    ("fast_start", "world_size", "elements"),
    [
        (cost.tree_all_reduce_cost, 8, 29_412),
        (cost.tree_all_reduce_cost, 64, 177_570),
        (cost.recursive_doubling_all_reduce_cost, 8, 137_500),
        (cost.recursive_doubling_all_reduce_cost, 64, 465_116),
    ],
)
def test_ring_wins_from_here_on(fast_start, world_size: int, elements: int) -> None:  # type: ignore[no-untyped-def]
    ring = cost.ring_all_reduce_cost
    crossing = cost.crossover_elements(ring, fast_start, world_size, WORD, TEN_GIGABIT)
    assert round(crossing) == elements

    def ring_is_faster(num_elements: int) -> bool:
        times = [c(world_size, num_elements, WORD).time_s(TEN_GIGABIT) for c in (ring, fast_start)]
        return times[0] < times[1]

    assert ring_is_faster(elements + world_size)
    assert not ring_is_faster(elements - world_size)


def test_a_crossover_may_not_exist() -> None:
    ring, tree = cost.ring_all_reduce_cost, cost.tree_all_reduce_cost
    halving = cost.halving_doubling_all_reduce_cost
    assert cost.crossover_elements(ring, halving, 8, WORD, TEN_GIGABIT) == float("inf")
    assert cost.crossover_elements(halving, ring, 8, WORD, TEN_GIGABIT) == 0.0
    assert cost.crossover_elements(ring, tree, 8, WORD, Network(0.0, 1e-9)) == 0.0


@pytest.mark.parametrize("world_size", [1, 2, 3, 8, 64, 100_000])
def test_ring_meets_the_lower_bound(world_size: int) -> None:
    """Patarasuk & Yuan: no rank sends more than it must, where the size divides."""
    form = cost.ring_all_reduce_cost(world_size, 3 * world_size, WORD)
    assert set(form.sent_bytes) == {cost.lower_bound_bytes(world_size, 3 * world_size, WORD)}


@pytest.mark.parametrize("world_size", [2, 4, 8, 64])
def test_nobody_beats_the_lower_bound(world_size: int) -> None:
    bound = cost.lower_bound_bytes(world_size, 640, WORD)
    for collective in (
        cost.naive_all_reduce_cost,
        cost.tree_all_reduce_cost,
        cost.recursive_doubling_all_reduce_cost,
        cost.halving_doubling_all_reduce_cost,
    ):
        assert max(collective(world_size, 640, WORD).sent_bytes) >= bound


@pytest.mark.parametrize(("num_servers", "through_server"), [(1, 14), (2, 7), (7, 2), (8, 1.75)])
def test_sharding_divides_the_load_of_a_server(num_servers: int, through_server: float) -> None:
    """2 (m - 1) k / S words through each server; S = m is as good as the ring."""
    form = cost.parameter_server_all_reduce_cost(8, 5600, WORD, num_servers)
    assert alpha_and_k(form, 5600) == pytest.approx((2, through_server))


def test_one_rank_sends_nothing() -> None:
    for collective in (
        cost.naive_all_reduce_cost,
        cost.tree_all_reduce_cost,
        cost.recursive_doubling_all_reduce_cost,
        cost.ring_all_reduce_cost,
        cost.halving_doubling_all_reduce_cost,
        cost.parameter_server_all_reduce_cost,
        cost.all_to_all_cost,
    ):
        form = collective(1, 10, 8)
        assert form.rounds == 0 and form.time_s(TEN_GIGABIT) == 0
        np.testing.assert_array_equal(form.sent_bytes, [0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 8), "world_size must be an integer >= 1, got 0"),
        ((-1, 1, 8), "world_size must be an integer >= 1, got -1"),
        ((2, -1, 8), "num_elements must be an integer >= 0, got -1"),
        ((2, 1, 0), "itemsize must be an integer >= 1, got 0"),
    ],
)
def test_impossible_sizes_are_refused(arguments: tuple[int, int, int], message: str) -> None:
    for collective in (
        cost.naive_all_reduce_cost,
        cost.tree_all_reduce_cost,
        cost.recursive_doubling_all_reduce_cost,
        cost.ring_all_reduce_cost,
        cost.halving_doubling_all_reduce_cost,
        cost.parameter_server_all_reduce_cost,
        cost.lower_bound_bytes,
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            collective(*arguments)
