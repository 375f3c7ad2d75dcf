"""The public tests, and the expectations that hidden tests share with them."""

from importlib import import_module

import numpy as np
import pytest

from mlsys_lib.collectives import (
    cost,
    halving_doubling_all_reduce,
    ring_all_reduce,
    ring_reduce_scatter,
)
from mlsys_lib.comm import Network
from mlsys_lib.datasets.run_log import NUM_RANKS, run_log
from mlsys_lib.grading.checking import label_of
from mlsys_lib.grading.expect import Mismatch
from mlsys_lib.grading.public import EXERCISES, answers_of, names, public_tests, title_of
from mlsys_lib.grading.public.collectives.readings import crossing, reading_of
from mlsys_lib.grading.public.collectives.server import pushed
from mlsys_lib.grading.public.collectives.sums import (
    expect_halving_doubling,
    expect_reduce_scatter,
    expect_ring,
    expect_same_bits,
    whole_numbers,
)

SHAPES = [(0,), (1,), (5,), (13,), (96,), (3, 7)]


@pytest.mark.parametrize("topic", EXERCISES)
def test_the_index_names_exactly_the_exercises_that_have_tests(topic):
    tests = import_module(f"mlsys_lib.grading.public.{topic}").TESTS
    assert list(tests) == list(EXERCISES[topic])
    assert all(tests.values())


def test_all_tests_of_an_exercise_take_the_same_answers_and_have_labels():
    for _, name, title in names():
        assert title_of(name) == title
        for test in public_tests(name):
            parameters = test.__code__.co_varnames[: test.__code__.co_argcount]
            assert parameters == answers_of(name)
            assert test.__doc__ and len(label_of(test)) <= 70
    everything = [name for _, name, _ in names()]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 6, 8, 13])
def test_the_librarys_own_algorithms_pass_for_any_world_and_shape(world_size, shape):
    xs = whole_numbers(np.random.default_rng(0), world_size, shape)
    expect_reduce_scatter(ring_reduce_scatter, xs)
    expect_ring(ring_all_reduce, xs)
    expect_halving_doubling(halving_doubling_all_reduce, xs)


def test_halving_by_whole_chunks_passes_too_where_chunks_differ_much():
    xs = whole_numbers(np.random.default_rng(0), 32, (48,))
    expect_halving_doubling(halving_doubling_all_reduce, xs)


def test_a_ring_to_the_left_is_a_ring():
    def mirrored(comm, x):
        ranks = list(reversed(range(comm.world_size)))
        return ring_all_reduce(comm.group(ranks), x)

    expect_ring(mirrored, whole_numbers(np.random.default_rng(0), 5, (7,)))


def test_a_ring_that_jumps_is_none():
    def jumping(comm, x):
        return ring_all_reduce(comm.group([0, 2, 4, 1, 3]), x)

    with pytest.raises(Mismatch, match="one neighbor only"):
        expect_ring(jumping, whole_numbers(np.random.default_rng(0), 5, (10,)))


def test_bytes_are_counted_for_each_rank_and_not_only_together():
    def through_rank_0(comm, x):  # the right total of bytes, most of them from rank 0
        total, other = x.copy(), np.empty_like(x)
        if comm.rank == 0:
            comm.recv(other, 2)
            total += other
            comm.recv(other, 1)
            total += other
            comm.send(total, 1)
            comm.send(total, 2)
        else:
            comm.send(x, 0)
            comm.recv(total, 0)
        return total

    with pytest.raises(Mismatch, match="at most 32 bytes sent by rank 0; got 48"):
        expect_ring(through_rank_0, [np.ones(3), np.zeros(3), np.ones(3)])


def test_replicas_that_differ_in_the_last_bit_only_are_told_apart():
    def nearly(comm, x):
        total = ring_all_reduce(comm, x)
        return np.nextafter(total, np.inf) if comm.rank == 2 else total

    xs = [np.random.default_rng(r).standard_normal(9) for r in range(4)]
    expect_same_bits(ring_all_reduce, xs)
    with pytest.raises(Mismatch, match="rank 2 beside rank 0"):
        expect_same_bits(nearly, xs)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_sums_are_exact_in_their_own_type_and_in_no_narrower_one(dtype):
    xs = whole_numbers(np.random.default_rng(0), 8, (100,), dtype)
    exact = sum(x.astype(object) for x in xs)
    assert all(x.dtype == dtype for x in xs)
    assert (sum(xs).astype(object) == exact).all()
    if dtype != "float32":
        assert (sum(x.astype(np.float32) for x in xs).astype(object) != exact).any()


def test_the_crossing_is_where_ring_and_tree_cost_the_same():
    for m in (2, 3, 4, 8, 16):
        network = Network(3e-5, 2e-9)
        rings, trees = cost.ring_all_reduce_cost, cost.tree_all_reduce_cost
        numbers = cost.crossover_elements(rings, trees, m, 4, network)
        assert crossing(m, 3e-5, 2e-9) == pytest.approx(4 * numbers)
    assert crossing(1, 3e-5, 2e-9) == 0.0


def test_a_log_is_drawn_such_that_each_reading_has_one_answer():
    for seed in range(50):
        log = run_log(np.random.default_rng(seed))
        reading = reading_of(log)
        sent = [sum(row[4] for row in log if row[0] == rank) for rank in range(NUM_RANKS)]
        assert sorted(sent)[-1] > sorted(sent)[-2]
        assert reading["busiest"] == int(np.argmax(sent))
        busy_twice = sum(end - start for src, dst, start, end, _ in log if 0 in (src, dst))
        assert reading["idle_ms"] > max(row[3] for row in log) - busy_twice
        assert 0 <= reading["idle_ms"] and reading["rounds"] < len(log)


def test_a_log_reads_as_one_does_by_eye():
    log = [
        (0, 1, 0, 4, 30),
        (1, 0, 0, 3, 20),
        (2, 3, 5, 9, 30),
        (3, 0, 5, 7, 10),
        (1, 2, 10, 13, 20),
    ]
    assert reading_of(log) == {"rounds": 3, "busiest": 1, "idle_ms": 7}


def test_a_server_keeps_the_bound_and_never_stops():
    rng = np.random.default_rng(0)
    for staleness in (0, 1, 3):
        state = (np.zeros(2), [0] * 4, [])
        for _ in range(200):
            working = [i for i in range(4) if i not in state[2]]
            assert working, "somebody may always go on"
            worker = int(rng.choice(working))
            *state, released = pushed(*state, worker, np.ones(2), 0.4, staleness)
            assert max(state[1]) - min(state[1]) <= staleness + 1
            assert not set(released) & set(state[2])
        np.testing.assert_allclose(state[0], -200 * 0.1)
