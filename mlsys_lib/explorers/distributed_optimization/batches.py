"""Batch size against steps, examples read and bytes, in runs of mini-batch SGD to one target.

The problem is that of `time_to_accuracy`, the target a coarser one. As in Shallue et al.,
"Measuring the effects of data parallelism on neural network training", JMLR 20, 2019,
arXiv:1811.03600, each batch size has the step size that suits it best, or a larger batch would only
look useless: of 1, 2, 4, …, 256 the one that reaches the target in the fewest steps. A count is the
mean over five orders of the mails; a run is looked at after every 16 examples, or every step.

The steps are the same whatever the workers, and so they are run on one. The bytes are those of
`mlsys_lib.distributed_optimization.cost`; the tests hold both to runs on several workers.
"""

from functools import cache

import numpy as np

from mlsys_lib.comm import simulate
from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.distributed_optimization import Logistic, distributed_minibatch_sgd
from mlsys_lib.distributed_optimization.cost import primal_cost
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.distributed_optimization.time_to_accuracy import (
    NUM_WORDS,
    PENALTY,
    dealt,
    objective,
    optimum,
)
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.distributed_optimization import Batches, BatchesPlot, count

TARGET = 1e-2
NUM_ORDERS = 5
LOOK = 16
WORKERS = (1, 2, 4, 8, 16)
#: Batch size: step size.
RATES = {
    1: 2.0, 2: 4.0, 4: 8.0, 8: 8.0, 16: 16.0, 32: 32.0,
    64: 64.0, 128: 128.0, 256: 128.0, 512: 128.0, 1024: 128.0, 2500: 128.0,
}  # fmt: skip
ALL_MAILS = 2500


def batches_explorer() -> Explorer:
    """Return the explorer: batch size and workers; steps, examples and bytes to the target."""
    return Explorer(
        name="batches",
        title="Batch size: up to where does doubling halve the steps?",
        compute=batches_to_target,
        plot=BatchesPlot,
        controls=(
            Control("batch_size", tuple(RATES)[:-2], default=32, label="batch size b"),
            Control("workers", WORKERS, default=4),
        ),
        describe=describe_batches,
        table=batches_table,
    )


def batches_to_target(batch_size: int, workers: int) -> Batches:
    """Return what every batch size takes to the target."""
    return Batches(
        batch_size=batch_size,
        workers=workers,
        target=TARGET,
        num_examples=ALL_MAILS,
        steps={size: steps_to_target(size) for size in RATES},
        sent_bytes={
            m: {size: mean_bytes(m, steps_to_target(size)) for size in RATES} for m in WORKERS
        },
    )


@cache
def steps_to_target(batch_size: int) -> tuple[int, ...]:
    """Return after how many steps each order of the mails reaches the target."""
    orders = 1 if batch_size == ALL_MAILS else NUM_ORDERS
    return tuple(steps_of(batch_size, RATES[batch_size], seed) for seed in range(orders))


def steps_of(batch_size: int, rate: float, seed: int) -> int:
    """Return after how many steps a run reaches the target, which it must within a pass or 24."""
    num_steps = max(24, ALL_MAILS // batch_size)
    run = simulate(
        distributed_minibatch_sgd, 1, *dealt(1), Logistic(), PENALTY, rate, num_steps, batch_size,
        seed=seed,
    )  # fmt: skip
    history = run.results[0].history
    limit = optimum().value + TARGET
    looks = range(0, len(history), max(1, LOOK // batch_size))
    return next(step for step in looks if objective().value(history[step]) <= limit)


def mean_bytes(workers: int, steps: tuple[int, ...]) -> float:
    """Return the bytes that a worker sends, of those that send most, mean over the orders."""
    most = [primal_cost(workers, NUM_WORDS, num).sent_bytes.max() for num in steps]
    return float(np.mean(most))


def describe_batches(shown: Batches) -> str:
    """Say what the batch size takes, what twice the size would, and up to where that helps."""
    size, twice = shown.batch_size, 2 * shown.batch_size
    size_bytes = format_bytes(shown.sent_bytes[shown.workers][size])
    sent = f"each of {shown.workers} workers sends {size_bytes}"
    if shown.workers == 1:
        sent = "one worker sends nothing"
    return (
        f"Steps of mini-batch SGD to {shown.target:g} above the minimum, against batch size. With "
        f"b = {size} it takes {count(shown.mean_steps(size))} steps and reads "
        f"{shown.passes(size):.2g} times the {format_count(shown.num_examples)} mails; {sent}. "
        f"With b = {twice} it takes {count(shown.mean_steps(twice))}, a factor of "
        f"{shown.saving(size):.1f}. Every doubling up to b = {shown.useful_size} saves a factor of "
        f"1.7 or more; all mails at once take {shown.mean_steps(shown.num_examples):.0f}. "
        "Further panels: examples read, flat at first and then rising; bytes sent by each worker, "
        "falling as the steps do."
    )


def batches_table(shown: Batches) -> Table:
    """Return a row a batch size: step size, steps, passes, bytes, and what doubling saves."""
    header = (
        "b", "step size", "steps", "least … most", "passes over the mails",
        "bytes sent by each worker", "steps: b / 2b",
    )  # fmt: skip
    rows = [
        (
            size,
            RATES[size],
            float(f"{shown.mean_steps(size):.4g}"),
            f"{min(steps)} … {max(steps)}",
            float(f"{shown.passes(size):.3g}"),
            format_bytes(shown.sent_bytes[shown.workers][size]),
            f"{shown.saving(size):.2f}" if 2 * size in shown.steps else "–",
        )
        for size, steps in shown.steps.items()
    ]
    return header, rows
