"""What every way of adding or gathering over ranks owes: right on each rank, and at its price.

Public and hidden tests share these; they differ in their inputs. A hint names the idea and never
a value, since a hidden test shows its hint.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.collectives import cost, reference
from mlsys_lib.collectives.recursive_doubling import largest_power_of_two
from mlsys_lib.comm import PerRank, Run
from mlsys_lib.grading.expect import expect, expect_close, expect_equal, show
from mlsys_lib.grading.ranks import on_ranks

Answer = Callable[..., Any]
Arrays = list[np.ndarray]
_LARGEST = {"float64": 2**40, "int64": 2**40, "float32": 2**12}


def whole_numbers(
    rng: np.random.Generator, world_size: int, shape: tuple[int, ...], dtype: str = "float64"
) -> Arrays:
    """Draw an array for each rank whose sum is exact in `dtype`, in whatever order it is taken.

    In a narrower type it is not exact: who adds doubles in single precision is found out.
    """
    largest = _LARGEST[dtype]
    return [rng.integers(-largest, largest, shape).astype(dtype) for _ in range(world_size)]


def digits(seed: int, world_size: int, shape: tuple[int, ...]) -> Arrays:
    """Draw an array for each rank, of numbers small enough to add by eye."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 10, shape).astype(np.float64) for _ in range(world_size)]


def expect_reduce_scatter(reduce_scatter: Answer, xs: Arrays) -> None:
    """Chunks, arguments, bytes and rounds of one run."""
    world_size, size, itemsize = len(xs), xs[0].size, xs[0].itemsize
    handed = [x.copy() for x in xs]
    run = on_ranks(reduce_scatter, world_size, PerRank(handed))
    given = _describe(xs)
    idea = "Rank r must end with chunk r, so a chunk starts at the rank to the right of it."
    _expect_on_each_rank(run, reference.reduce_scatter(xs), given, idea)
    _expect_untouched(handed, xs, given)
    price = cost.ring_reduce_scatter_cost(world_size, size, itemsize)
    _expect_bytes(run, int(price.sent_bytes.sum()), price.sent_bytes.tolist(), given)
    expect(
        run.ledger.rounds <= price.rounds,
        given=given,
        expected=f"at most {price.rounds} rounds",
        got=str(run.ledger.rounds),
        hint="Send and receive at the same time: m - 1 rounds are enough.",
    )


def expect_ring(ring_all_reduce: Answer, xs: Arrays) -> None:
    """Sum, arguments, bytes, rounds and neighbors of one run."""
    world_size, size, itemsize = len(xs), xs[0].size, xs[0].itemsize
    handed = [x.copy() for x in xs]
    run = on_ranks(ring_all_reduce, world_size, PerRank(handed))
    given = _describe(xs)
    idea = (
        "After the first half each rank owns one finished chunk. That one it sends first in the "
        "second half, which also takes m - 1 steps."
    )
    _expect_on_each_rank(run, reference.all_reduce(xs), given, idea)
    _expect_untouched(handed, xs, given)
    steps = 2 * (world_size - 1)
    most = steps * -(-size // world_size) * itemsize
    _expect_bytes(run, steps * size * itemsize, [most] * world_size, given)
    _expect_rounds(run, steps, given)
    hops = {(dst - src) % world_size for src, dst, *_ in run.ledger.messages}
    expect(
        hops <= {1} or hops <= {world_size - 1},
        given=given,
        expected="messages to one neighbor only",
        got=f"messages {sorted(hops)} ranks further",
        hint="On a ring a rank sends to one neighbor and hears from the other.",
    )


def expect_same_bits(all_reduce: Answer, xs: Arrays) -> None:
    """One run on numbers whose sum depends on the order: all replicas are equal."""
    run = on_ranks(all_reduce, len(xs), PerRank([x.copy() for x in xs]))
    given = _describe(xs)
    total = reference.reduce(xs)
    expect_close(
        run.results[0],
        total,
        rtol=1e-9,
        atol=1e-9,
        given=f"{given}\nrank 0's result",
        hint="Only the last bits may differ from the plain sum. Add in the dtype of x.",
    )
    _expect_equal_bits(run, given)


def expect_halving_doubling(halving_doubling: Answer, xs: Arrays) -> None:
    """Sum, arguments, bytes and rounds of one run."""
    world_size, size, itemsize = len(xs), xs[0].size, xs[0].itemsize
    power = largest_power_of_two(world_size)
    extra, levels = world_size - power, power.bit_length() - 1
    handed = [x.copy() for x in xs]
    run = on_ranks(halving_doubling, world_size, PerRank(handed))
    given = _describe(xs)
    idea = "Partners cut a piece at the same place. Doubling takes the same swaps backwards."
    _expect_on_each_rank(run, reference.all_reduce(xs), given, idea)
    _expect_untouched(handed, xs, given)
    # Where halves differ, some ranks send more than others: the more, the more often they halve.
    most = (2 * (power - 1) * size // power + 2 * power + min(extra, 1) * size) * itemsize
    total = 2 * (power - 1 + extra) * size * itemsize
    _expect_bytes(run, total, [most] * world_size, given)
    _expect_rounds(run, 2 * levels + 2 * min(extra, 1), given)


def expect_gathered(all_gather_uneven: Answer, xs: Arrays, engine: str = "simulated") -> None:
    """Everybody has all arrays, in rank order; `gloo` has no ledger that could be trusted."""
    world_size = len(xs)
    handed = [x.copy() for x in xs]
    run = on_ranks(all_gather_uneven, world_size, PerRank(handed), engine=engine)
    given = f"{world_size} rank(s) with {[len(x) for x in xs]} numbers of dtype {xs[0].dtype}"
    for rank, result in enumerate(run.results):
        expect_equal(
            result,
            xs,
            given=f"{given}\nwhat rank {rank} returned",
            hint="A list with one array per rank, in rank order, each with its own length and "
            "dtype. Lengths may be 0, and may all differ.",
        )
    if engine == "simulated":
        _expect_untouched(handed, xs, given)
        pairs = world_size * (world_size - 1)
        most = (world_size - 1) * sum(x.nbytes for x in xs) + 16 * pairs
        expect(
            run.ledger.total_bytes <= most,
            given=given,
            expected=f"at most {most} bytes sent by all ranks together",
            got=f"{run.ledger.total_bytes}, by rank {list(run.ledger.sent_bytes)}",
            hint="Tell the lengths first, in a small message. Then send what there is: padding "
            "travels at the price of data.",
        )


def _describe(xs: Sequence[np.ndarray]) -> str:
    """Say what the ranks were given."""
    text = f"{len(xs)} rank(s), x of shape {xs[0].shape} and dtype {xs[0].dtype}"
    if sum(x.size for x in xs) > 36 or not all((x == np.rint(x)).all() for x in xs):
        return text
    return "\n".join([text, *(f"rank {rank}: x = {show(x)}" for rank, x in enumerate(xs))])


def _expect_on_each_rank(run: Run, expected: Sequence[np.ndarray], given: str, idea: str) -> None:
    """Each rank returned its own expected array; `idea` is what the algorithm turns on."""
    for rank, (result, wanted) in enumerate(zip(run.results, expected, strict=True)):
        expect_equal(
            result,
            wanted,
            given=f"{given}\nwhat rank {rank} returned",
            hint=f"{idea} Shape, dtype and values must be right on every rank: on one rank, on a "
            "prime number of ranks, and for sizes that the number of ranks does not divide.",
        )


def _expect_equal_bits(run: Run, given: str) -> None:
    """All ranks returned the same bits."""
    for rank, result in enumerate(run.results):
        expect_equal(
            result,
            run.results[0],
            given=f"{given}\nrank {rank} beside rank 0",
            hint="Replicas that are nearly equal drift apart. Let one rank finish a chunk, and "
            "let all others copy what it got.",
        )


def _expect_untouched(
    handed: Sequence[np.ndarray], before: Sequence[np.ndarray], given: str
) -> None:
    """Hold the arrays handed to the ranks to what they were."""
    for rank, (after, wanted) in enumerate(zip(handed, before, strict=True)):
        expect_equal(
            after,
            wanted,
            given=f"{given}\nx of rank {rank} after the call",
            hint="x belongs to the caller. Add into a copy of it.",
        )


def _expect_bytes(run: Run, total: int, most: Sequence[int], given: str) -> None:
    """All ranks together sent `total` bytes, and each at most its entry of `most`."""
    sent = run.ledger.sent_bytes
    hint = (
        "Count what each rank sends. In one step only a part of the array should travel, and "
        "nothing twice."
    )
    expect(
        run.ledger.total_bytes == total,
        given=given,
        expected=f"{total} bytes sent by all ranks together",
        got=f"{run.ledger.total_bytes}, by rank {list(sent)}",
        hint=hint,
    )
    for rank, (bytes_sent, limit) in enumerate(zip(sent, most, strict=True)):
        expect(
            bytes_sent <= limit,
            given=given,
            expected=f"at most {limit} bytes sent by rank {rank}",
            got=str(bytes_sent),
            hint=hint,
        )


def _expect_rounds(run: Run, rounds: int, given: str) -> None:
    """Hold the longest chain of messages to `rounds`."""
    expect(
        run.ledger.rounds == rounds,
        given=given,
        expected=f"{rounds} rounds",
        got=str(run.ledger.rounds),
        hint="A round is a message that waits for another. Send and receive at the same time, "
        "and take no more steps than the algorithm has.",
    )
