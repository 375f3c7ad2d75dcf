"""Accuracy against bytes: one model, trained with seven ways to send its gradient.

`wire_runs` trains it. Bytes are lengths of the library's packed messages. What adds up on the way
(dense, random-k, PowerSGD) depends on the mean over workers alone, and one run serves any number of
them; for the others there are as many workers as the slider says. What a worker receives follows
from the lengths, and is the mean over workers. The tests hold this to runs and their ledgers.
"""

from functools import partial

import numpy as np

from mlsys_lib.core.units import format_bytes
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.explorers.gradient_compression.wire_runs import (
    ADDED,
    DRAWN,
    GATHERED,
    KEPT,
    NUM_ELEMENTS,
    NUM_STEPS,
    RANK_R,
    SIZES,
    TARGET,
    train,
)
from mlsys_lib.gradient_compression.aggregate import SIZE_BYTES
from mlsys_lib.gradient_compression.wire import FLOAT_BYTES
from mlsys_lib.plots.gradient_compression.wire import Method, Wire, WirePlot, ending

WORKERS = (2, 8, 32)
COUNTS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Workers along the second panel."""
SETTABLE = ("random-k", "PowerSGD", "QSGD", "top-k")
QUANTIZER_WORDS = {4: "8 bits", 12: "2 bits", 100: "Elias"}


def wire_explorer() -> Explorer:
    """Return the explorer: size of messages, workers, memory; bytes to the same accuracy."""
    return Explorer(
        name="wire",
        title="Accuracy against bytes: who needs the fewest, and who needs a memory?",
        compute=wire,
        plot=partial(WirePlot, TARGET, COUNTS),
        controls=(
            Control("size", SIZES, default=12, label="message size", format=_size_text),
            Control("workers", WORKERS, default=8),
            Control(
                "memory", (False, True), default=True, label="error memory",
                format=lambda memory: "on" if memory else "off",
            ),
        ),
        describe=describe_wire,
        table=wire_table,
    )  # fmt: skip


def wire(size: int, workers: int, memory: bool) -> Wire:
    """Return the way of each method to the target."""
    methods = tuple(method(name, size, workers, memory) for name in (*ADDED, *GATHERED))
    return Wire(size, workers, memory, TARGET, NUM_STEPS, COUNTS, methods)


def method(name: str, size: int, workers: int, memory: bool) -> Method:
    """Return a method's errors, its bytes until then, and those of a step with other workers."""
    is_added = name in ADDED
    run = train(
        name,
        size if name in SETTABLE else SIZES[0],
        1 if is_added else workers,
        memory and name != "dense",
    )
    lengths = np.array(run.message_bytes)
    mean = float(lengths.mean())
    received = received_bytes(lengths, workers, is_added=is_added)
    steps = received_bytes(mean, np.array(COUNTS), is_added=is_added)
    return Method(
        name,
        setting_of(name, size),
        is_added,
        run.errors,
        tuple(np.cumsum(received).tolist()),
        tuple(steps.tolist()),
        None if is_added else 2 * FLOAT_BYTES * NUM_ELEMENTS / (mean + SIZE_BYTES),
    )


def received_bytes(
    message_bytes: float | np.ndarray, workers: int | np.ndarray, *, is_added: bool
) -> np.ndarray:
    """Return what a worker receives in a step, in the mean over workers.

    A ring that adds brings 2 (m - 1) / m messages; one that gathers brings the m - 1 messages of
    the others, and their lengths.
    """
    others = np.asarray(workers) - 1
    if is_added:
        return np.asarray(2 * others / workers * message_bytes)
    return np.asarray(others * (message_bytes + SIZE_BYTES))


def setting_of(name: str, size: int) -> str:
    """Return a method's setting in words."""
    words = {
        "random-k": f"{DRAWN[size] / NUM_ELEMENTS:.1%}",
        "PowerSGD": f"r = {RANK_R[size]}",
        "QSGD": QUANTIZER_WORDS[size],
        "top-k": f"{KEPT[size] / NUM_ELEMENTS:.1%}",
    }
    return words.get(name, "")


def describe_wire(shown: Wire) -> str:
    """Say who arrives with the fewest bytes, what each needs, and what a step costs."""
    first = " and ".join(method.name for method in shown.winners)
    ways = "; ".join(f"{m.title}: {_way(m, shown.target)}" for m in shown.methods)
    costs = "; ".join(f"{m.name} {_cost(m, shown)}" for m in shown.methods)
    return (
        f"Test error of softmax regression against the bytes that a worker has received: "
        f"{shown.workers} workers, messages of 1/{shown.size} of the dense bytes where a method "
        f"can be set, error memory {'on' if shown.memory else 'off'}. Fewest bytes to an error of "
        f"{shown.target:.0%}: {first}. By method: {ways}. Second panel: bytes of a step against "
        f"workers; as multiples of a dense step, with {shown.workers} workers: {costs}."
    )


def _size_text(size: int) -> str:
    return f"1/{size}"


def _way(method: Method, target: float) -> str:
    steps = len(method.errors)
    return f"{ending(method, target)} after {steps} steps"


def _cost(method: Method, shown: Wire) -> str:
    even = "" if method.even_at is None else f", as much as dense at {method.even_at:.0f} workers"
    return f"{shown.to_dense(method):.2g}{even}"


def wire_table(shown: Wire) -> Table:
    """Return a row a method: steps and bytes to the target, and what a step costs."""
    header = ("method", "messages are", "steps", "bytes", "error", "a step", "as dense at")
    at = shown.counts.index(shown.workers)
    rows = []
    for m in shown.methods:
        reached = m.errors[-1] <= shown.target
        rows.append(
            (
                m.title,
                "added" if m.is_added else "gathered",
                len(m.errors),
                format_bytes(m.received_bytes[-1]) if reached else "not reached",
                f"{m.errors[-1]:.1%}",
                format_bytes(m.step_bytes[at]),
                "–" if m.even_at is None else f"{m.even_at:.0f} workers",
            )
        )
    return header, rows
