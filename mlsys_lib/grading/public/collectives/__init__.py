"""Public tests of the exercises to Collectives.

Their inputs stand in their text. What they hold an answer to is in the other files of this
folder, and the hidden tests use it with inputs that only the grader can draw.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.comm import PerRank
from mlsys_lib.datasets.run_log import run_log
from mlsys_lib.grading.expect import expect_close, expect_equal
from mlsys_lib.grading.public import PublicTest
from mlsys_lib.grading.public.collectives.readings import crossing, reading_of
from mlsys_lib.grading.public.collectives.server import expect_push
from mlsys_lib.grading.public.collectives.sums import (
    digits,
    expect_gathered,
    expect_halving_doubling,
    expect_reduce_scatter,
    expect_ring,
    expect_same_bits,
)
from mlsys_lib.grading.ranks import on_ranks
from mlsys_lib.grading.student import own_variant

Answer = Callable[..., Any]
FIVE = [(0, 1, 0, 4, 30), (1, 0, 0, 3, 20), (2, 3, 5, 10, 40), (1, 2, 5, 7, 10), (3, 1, 11, 13, 10)]
"""A log short enough to read in one's head; each way to misread it gives another answer."""


# -- read_a_timeline -------------------------------------------------------------------------------
def reading_has_its_names(read_timeline: Answer, student: str) -> None:
    """Three whole numbers, each under its name."""
    rng, remark = own_variant(student, "read_a_timeline")
    got = read_timeline(run_log(rng))
    expect_equal(
        {name: _type_name(value) for name, value in got.items()} if type(got) is dict else got,
        dict.fromkeys(("rounds", "busiest", "idle_ms"), "int"),
        given="the types of what read_timeline returns",
        hint=f"{remark}Return a dict with the names rounds, busiest and idle_ms.",
    )


def _reading(got: Any, name: str) -> Any:
    """Return the reading of that name; what has none is shown by the first test."""
    return got.get(name) if type(got) is dict else None


def _type_name(value: Any) -> str:
    """Return the name of a type; NumPy's whole numbers are whole numbers."""
    return "int" if isinstance(value, np.integer) else type(value).__name__


def reading_counts_rounds(read_timeline: Answer, student: str) -> None:
    """Count the rounds."""
    rng, remark = own_variant(student, "read_a_timeline")
    log = run_log(rng)
    expect_equal(
        _reading(read_timeline(log), "rounds"),
        reading_of(log)["rounds"],
        given=f"your log of {len(log)} messages",
        hint=f"{remark}Messages that start together are one round.",
    )


def reading_finds_the_busiest(read_timeline: Answer, student: str) -> None:
    """Name the rank that sent most bytes, among five messages."""
    expect_equal(
        _reading(read_timeline(list(FIVE)), "busiest"),
        reading_of(FIVE)["busiest"],
        given=f"the log {FIVE}; busiest",
        hint="Add up kilobytes and not messages, and count them for who sends.",
    )


def reading_finds_idle_time(read_timeline: Answer, student: str) -> None:
    """Count the idle time of rank 0, in the same five."""
    expect_equal(
        _reading(read_timeline(list(FIVE)), "idle_ms"),
        reading_of(FIVE)["idle_ms"],
        given=f"the log {FIVE}; idle_ms",
        hint="A millisecond in which rank 0 sends and receives is one busy millisecond. And rank "
        "0 is idle after its last message, until the last one of all has arrived.",
    )


# -- crossover_bytes -------------------------------------------------------------------------------
def crossover_of_the_chapter(crossover_bytes: Answer) -> None:
    """Eight machines, 50 µs, 0.8 ns per byte: the chapter's network."""
    expect_close(
        crossover_bytes(8, 50e-6, 0.8e-9),
        crossing(8, 50e-6, 0.8e-9),
        given="crossover_bytes(8, 50e-6, 0.8e-9)",
        hint="The chapter has this one: 29 412 numbers of 4 bytes, rounded. You are asked for "
        "bytes, and not to round. And what goes up a tree must come down again.",
    )


def crossover_of_six(crossover_bytes: Answer) -> None:
    """Six machines, which are no power of two."""
    expect_close(
        crossover_bytes(6, 1e-5, 1e-9),
        crossing(6, 1e-5, 1e-9),
        given="crossover_bytes(6, 1e-5, 1e-9)",
        hint="A tree over six machines is as deep as one over eight.",
    )


# -- reduce_scatter --------------------------------------------------------------------------------
def two_ranks_share_four_numbers(reduce_scatter: Answer) -> None:
    """Two ranks: the first half of the sum, and the second."""
    xs = [np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 20.0, 30.0, 40.0])]
    run = on_ranks(reduce_scatter, 2, PerRank(xs))
    for rank, expected in enumerate(([11.0, 22.0], [33.0, 44.0])):
        expect_equal(
            run.results[rank],
            np.array(expected),
            given=f"rank 0 holds [1 2 3 4], rank 1 [10 20 30 40]; what rank {rank} returned",
            hint="Rank r must end with chunk r. Work backwards from there: which chunk does it "
            "receive last, and so which does it send first?",
        )


def five_ranks_share_seven_numbers(reduce_scatter: Answer) -> None:
    """Five ranks and seven numbers: chunks of 2, 2, 1, 1, 1."""
    expect_reduce_scatter(reduce_scatter, digits(1, 5, (7,)))


def whole_numbers_stay_whole(reduce_scatter: Answer) -> None:
    """Three ranks and whole numbers: the dtype stays."""
    xs = [x.astype(np.int64) for x in digits(8, 3, (4,))]
    expect_reduce_scatter(reduce_scatter, xs)


# -- ring_all_reduce -------------------------------------------------------------------------------
def ring_of_four(ring_all_reduce: Answer) -> None:
    """Four ranks, eight numbers each: sum, bytes and rounds."""
    expect_ring(ring_all_reduce, digits(2, 4, (8,)))


def ring_of_three_does_not_divide(ring_all_reduce: Answer) -> None:
    """Three ranks and a 2 × 5 array: three does not divide ten."""
    expect_ring(ring_all_reduce, digits(3, 3, (2, 5)))


def ring_replicas_are_equal(ring_all_reduce: Answer) -> None:
    """Four ranks and fractions: equal to the last bit."""
    rng = np.random.default_rng(4)
    expect_same_bits(ring_all_reduce, [rng.standard_normal(9) for _ in range(4)])


# -- halving_doubling ------------------------------------------------------------------------------
def halving_on_four(halving_doubling: Answer) -> None:
    """Four ranks, eight numbers each: sum, bytes and rounds."""
    expect_halving_doubling(halving_doubling, digits(5, 4, (8,)))


def halving_on_four_is_uneven(halving_doubling: Answer) -> None:
    """Four ranks and seven numbers: halves that differ by one."""
    expect_halving_doubling(halving_doubling, digits(6, 4, (7,)))


def halving_on_three(halving_doubling: Answer) -> None:
    """Three ranks: rank 2 hands its array to rank 0, and gets the sum back."""
    expect_halving_doubling(halving_doubling, digits(7, 3, (6,)))


# -- stale_server ----------------------------------------------------------------------------------
def synchronous_server_waits_for_all(take_push: Answer) -> None:
    """Staleness 0, two workers: who is done first waits for the other."""
    state: tuple[Any, ...] = (np.array([1.0, 2.0]), [0, 0], [])
    for worker in (1, 0):
        state = expect_push(take_push, state, worker, np.array([2.0, -2.0]), 0.5, 0)


def stale_server_lets_one_lead(take_push: Answer) -> None:
    """Staleness 1, three workers: one step ahead is allowed, two are not."""
    state: tuple[Any, ...] = (np.array([0.0]), [0, 0, 0], [])
    for worker in (2, 2, 0, 1):
        state = expect_push(take_push, state, worker, np.array([3.0]), 0.1, 1)


# -- all_gather_uneven -----------------------------------------------------------------------------
def gathers_three_lengths(all_gather_uneven: Answer) -> None:
    """Three ranks with 3, 1 and 2 numbers."""
    xs = [np.array([1.0, 2.0, 3.0]), np.array([10.0]), np.array([100.0, 200.0])]
    expect_gathered(all_gather_uneven, xs)


def gathers_from_who_has_nothing(all_gather_uneven: Answer) -> None:
    """Four ranks, of which one has much and one has nothing."""
    expect_gathered(all_gather_uneven, [np.arange(n) for n in (2, 0, 500, 1)])


TESTS: dict[str, tuple[PublicTest, ...]] = {
    "read_a_timeline": (
        reading_has_its_names,
        reading_counts_rounds,
        reading_finds_the_busiest,
        reading_finds_idle_time,
    ),
    "crossover_bytes": (crossover_of_the_chapter, crossover_of_six),
    "reduce_scatter": (
        two_ranks_share_four_numbers,
        five_ranks_share_seven_numbers,
        whole_numbers_stay_whole,
    ),
    "ring_all_reduce": (ring_of_four, ring_of_three_does_not_divide, ring_replicas_are_equal),
    "halving_doubling": (halving_on_four, halving_on_four_is_uneven, halving_on_three),
    "stale_server": (synchronous_server_waits_for_all, stale_server_lets_one_lead),
    "all_gather_uneven": (gathers_three_lengths, gathers_from_who_has_nothing),
}
