r"""Run a collective over several hosts, and hold what was measured to the model.

On every host, with the first host's name as endpoint::

    torchrun --nnodes=2 --nproc-per-node=4 --rdzv-backend=c10d --rdzv-endpoint=HOST:29500 \
        -m mlsys_lib.run all_reduce --algorithm ring --num-elements 1000000

Without torchrun, ``--world-size 4`` starts processes on this computer. What runs is the function
that the chapters show.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from mlsys_lib.collectives import ALL_REDUCES, barrier, cost
from mlsys_lib.collectives.reference import reduce
from mlsys_lib.comm import CommunicationError, Communicator, Ledger, Network, launch
from mlsys_lib.core.units import format_bytes, format_count, format_seconds
from mlsys_lib.core.validate import non_negative, positive, positive_int

COSTS: dict[str, Callable[[int, int, int], cost.Cost]] = {
    "naive": cost.naive_all_reduce_cost,
    "tree": cost.tree_all_reduce_cost,
    "recursive doubling": cost.recursive_doubling_all_reduce_cost,
    "ring": cost.ring_all_reduce_cost,
    "halving-doubling": cost.halving_doubling_all_reduce_cost,
}


def part_of(rank: int, num_elements: int) -> np.ndarray:
    """Return a rank's array: small whole numbers, whose sum is exact in any order."""
    return (np.arange(num_elements) % 1000 + rank).astype(np.float64)


def measure(
    comm: Communicator, algorithm: str, op: str, num_elements: int, repeat: int
) -> tuple[list[float], float]:
    """Return the seconds of each repetition, and the largest error of the result."""
    x = part_of(comm.rank, num_elements)
    all_reduce = ALL_REDUCES[algorithm]
    seconds = []
    for _ in range(repeat):
        barrier(comm)
        start_s = time.perf_counter()
        result = all_reduce(comm, x, op=op)
        seconds.append(time.perf_counter() - start_s)
    expected = reduce([part_of(rank, num_elements) for rank in range(comm.world_size)], op)
    return seconds, float(np.abs(result - expected).max(initial=0.0))


def report(
    options: argparse.Namespace, world_size: int, sent_bytes: int, seconds: Sequence[float]
) -> str:
    """Return the table that rank 0 prints; `sent_bytes` is rank 0's, of one repetition."""
    expected = COSTS[options.algorithm](world_size, options.num_elements, 8)
    model_s = expected.time_s(Network(options.latency, 1 / options.bandwidth))
    rows = [
        ("algorithm", f"{options.algorithm} ({options.op})"),
        ("ranks", str(world_size)),
        ("elements", f"{format_count(options.num_elements)} of 8 B"),
        ("rank 0 sent", f"{format_bytes(sent_bytes)} ({format_count(sent_bytes)} B)"),
        ("closed form", f"{format_bytes(expected.sent_bytes[0])}"),
        ("measured", f"{format_seconds(statistics.median(seconds))} (median of {len(seconds)})"),
        ("model", f"{format_seconds(model_s)} (α {format_seconds(options.latency)}, "
                  f"{format_bytes(options.bandwidth)}/s)"),
    ]  # fmt: skip
    return "\n".join(f"{name:<12} {value}" for name, value in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.algorithm = options.algorithm.replace("_", " ")
    if options.algorithm not in ALL_REDUCES:
        names = ", ".join(name.replace(" ", "_") for name in ALL_REDUCES)
        parser.error(f"--algorithm must be one of {names}, got {options.algorithm}")
    call = (options.algorithm, options.op, options.num_elements, options.repeat)
    try:
        if "RANK" in os.environ:
            return _as_one_rank(options, call)
        if options.world_size is None:
            parser.error("--world-size must be given where torchrun did not start this")
        run = launch(measure, options.world_size, *call, timeout_s=options.timeout)
    except (CommunicationError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    (seconds, wrong), sent = run.results[0], run.ledger.sent_bytes[0]
    return _tell(options, options.world_size, sent // options.repeat, seconds, wrong)


def _as_one_rank(options: argparse.Namespace, call: tuple[str, str, int, int]) -> int:
    """Be the rank that torchrun says this process is."""
    from mlsys_lib.comm.torch_group import from_environment  # imports torch

    with from_environment(options.timeout) as transport:
        comm = Communicator(transport)
        seconds, error = measure(comm, *call)
        ledger = Ledger(comm.world_size, tuple(transport.log))
        if comm.rank:
            return 0 if error == 0 else 1
        sent_bytes = ledger.sent_bytes[0] // options.repeat
        return _tell(options, comm.world_size, sent_bytes, seconds, error)


def _tell(
    options: argparse.Namespace, world_size: int, sent_bytes: int, seconds: Sequence[float],
    error: float,
) -> int:  # fmt: skip
    print(report(options, world_size, sent_bytes, seconds), flush=True)
    if error:
        print(f"the result is wrong by up to {error:g}", file=sys.stderr)
    return 1 if error else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlsys_lib.run", description="Run a collective.")
    parser.add_argument("collective", choices=["all_reduce"])
    parser.add_argument("--algorithm", default="ring", help="naive, tree, ring, …")
    parser.add_argument("--op", default="sum", choices=["sum", "max", "min"])
    parser.add_argument("--num-elements", type=_whole, default=1_000_000)
    parser.add_argument("--repeat", type=_whole, default=5)
    parser.add_argument("--world-size", type=_whole, help="processes, without torchrun")
    parser.add_argument("--latency", type=_amount, default=50e-6, help="α of the model, seconds")
    parser.add_argument("--bandwidth", type=_rate, default=1.25e9, help="bytes per second")
    parser.add_argument("--timeout", type=_rate, default=60.0, help="longest wait, seconds")
    return parser


def _checked(check: Callable[[str], float]) -> Callable[[str], float]:
    """Let argparse show the rule that was broken."""

    def convert(text: str) -> float:
        try:
            return check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


_whole = _checked(lambda text: positive_int("it", int(text)))
_amount = _checked(lambda text: non_negative("it", float(text)))
_rate = _checked(lambda text: positive("it", float(text)))


if __name__ == "__main__":
    from mlsys_lib.run import main as imported_main  # other processes cannot import __main__

    sys.exit(imported_main())
