"""The certificate of CoCoA round by round, for three ways to combine what the workers found.

One loss on three data sets, so that the data alone make the difference: ridge regression on labels
+1 and -1, λ = 0.01. A worker passes four times over its own examples in each round, which solves
its own problem nearly exactly. A run stops at a gap of 10⁻⁸. Every curve is a run of
`mlsys_lib.distributed_optimization.cocoa` on simulated ranks.
"""

from functools import cache, partial

import numpy as np

from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.datasets import mails, tf_idf_rows
from mlsys_lib.distributed_optimization import Objective, SparseRows, Squared, cocoa, solve
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.distributed_optimization.gap import (
    Certificate,
    GapPlot,
    Way,
    short,
)

WORKERS = (1, 2, 3, 4, 8, 16)
NUM_EXAMPLES = 240  # so that all of these get as many
NUM_COPIED = 32
PENALTY = 0.01
LOCAL_PASSES = 4
NUM_ROUNDS = 20
TARGET, SMALLEST_GAP = 1e-3, 1e-8
WAYS = {
    "averaging": "averaging: ω = 1/m, ω′ = 1",
    "adding": "adding: ω = 1, ω′ = m",
    "adding, no scale": "adding, no scale: ω = 1, ω′ = 1",
}
DATA = {
    "apart": f"{NUM_EXAMPLES} random rows, nearly at right angles, dealt out",
    "alike": f"every worker holds a copy of the same {NUM_COPIED} rows",
    "mails": f"{NUM_EXAMPLES} real mails, as tf-idf rows, dealt out",
}


def gap_explorer() -> Explorer:
    """Return the explorer: data, workers and how changes are combined; P, D and their gap."""
    return Explorer(
        name="gap",
        title="The certificate: does adding without the scale work?",
        compute=certificate,
        plot=partial(GapPlot, NUM_ROUNDS, TARGET),
        controls=(
            Control("data", tuple(DATA), default="apart"),
            Control("workers", WORKERS, default=4, label="workers m"),
            Control("combine", tuple(WAYS), default="adding", format=WAYS.__getitem__),
        ),
        describe=describe_certificate,
        table=certificate_table,
    )


def certificate(data: str, workers: int, combine: str) -> Certificate:
    """Return the runs of all three ways, one of them chosen."""
    return Certificate(
        data=data,
        note=DATA[data],
        workers=workers,
        chosen=combine,
        ways={name: way(data, workers, name) for name in WAYS},
        optimum=_optimum(data),
        target=TARGET,
        num_rounds=NUM_ROUNDS,
    )


def describe_certificate(shown: Certificate) -> str:
    """Say what became of the chosen run, how the others fared, and how tight the gap is."""
    chosen, start = shown.way, shown.way.gaps[0]
    ends = "; ".join(f"{name}: {_fate(other)}" for name, other in shown.ways.items())
    steps = f"ω = {chosen.aggregation:.3g}, ω′ = {chosen.scale:g}"
    same = " With one worker all three are the same." if shown.workers == 1 else ""
    return (
        f"CoCoA on ridge regression, data {shown.data} ({shown.note}), m = {shown.workers}, "
        f"{shown.chosen} ({steps}). The band between f(w) and dual(ζ) is {short(start)} wide at "
        f"the start and {short(chosen.gaps[1])} after one round; the minimum f* = "
        f"{shown.optimum:.3f} lies inside. Rounds to a gap of {short(shown.target)}, of at most "
        f"{shown.num_rounds}: {ends}.{same} The error f(w) - f* is below the gap in every round: "
        f"after one it is {short(shown.errors[1])}."
    )


def certificate_table(shown: Certificate) -> Table:
    """Return a row a round: P, D, gap and error of the chosen run, and the gaps of the others."""
    others = [name for name in shown.ways if name != shown.chosen]
    header = (
        "round",
        "f(w)",
        "dual(ζ)",
        "gap",
        "f(w) - f*",
        *(f"gap of {name}" for name in others),
    )
    chosen = shown.way
    columns = [np.array(chosen.primal), np.array(chosen.dual_values), chosen.gaps, shown.errors]
    columns += [shown.ways[name].gaps for name in others]
    rows = [
        (done, *(_entry(column, done) for column in columns))
        for done in range(max(map(len, columns)))
    ]
    return header, rows


def way(data: str, workers: int, name: str) -> Way:
    """Return a run of CoCoA."""
    aggregation = 1 / workers if name == "averaging" else 1.0
    scale = float(workers) if name == "adding" else 1.0
    return Way(name, aggregation, scale, *_run(data, workers, aggregation, scale))


def _fate(way: Way) -> str:
    """Return when a run reaches the target, or where it ends."""
    rounds = way.rounds_to(TARGET)
    if rounds is not None:
        return str(rounds)
    verb = "grows" if way.grows else "falls"
    return f"not reached, the gap {verb} to {short(way.gaps[-1])}"


def _entry(column: np.ndarray, done: int) -> str:
    return f"{column[done]:.4g}" if done < len(column) else "stopped"


@cache
def _run(
    data: str, workers: int, aggregation: float, scale: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return f(w) and dual(ζ) round by round."""
    tables, targets = dealt(data, workers)
    outcome = simulate(
        cocoa, workers, tables, targets, Squared(), PENALTY, NUM_ROUNDS,
        aggregation=aggregation, subproblem_scale=scale,
        num_local_steps=LOCAL_PASSES * len(targets.values[0]), tolerance=SMALLEST_GAP,
    ).results[0]  # fmt: skip
    return outcome.primal, outcome.dual_values


def dealt(data: str, workers: int) -> tuple[PerRank, PerRank]:
    """Return each worker's rows and targets."""
    one = objective(data)
    if data == "alike":
        return PerRank([one.X] * workers), PerRank([one.y] * workers)
    parts = np.array_split(np.arange(one.num_examples), workers)
    return PerRank([one.X[own] for own in parts]), PerRank([one.y[own] for own in parts])


@cache
def objective(data: str) -> Objective:
    """Return what is minimised; m copies of the rows have the same mean loss as the rows."""
    if data == "mails":
        train, *_ = mails()
        indptr, indices, values = tf_idf_rows(train, train)
        X = SparseRows(values, indices, indptr, train.num_words)[np.arange(NUM_EXAMPLES)]
        return Objective(X, train.labels[:NUM_EXAMPLES], Squared(), PENALTY)
    size = NUM_COPIED if data == "alike" else NUM_EXAMPLES
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((size, size))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    noisy = rows @ rng.standard_normal(size) + 0.1 * rng.standard_normal(size)
    return Objective(rows, np.where(noisy > 0, 1.0, -1.0), Squared(), PENALTY)


@cache
def _optimum(data: str) -> float:
    return solve(objective(data), tolerance=1e-12).value
