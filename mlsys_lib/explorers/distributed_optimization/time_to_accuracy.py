"""Time to accuracy: five methods minimise one loss on as many workers, over one network.

The examples are the 2500 training mails of `mlsys_lib.datasets.mails`, with the 1000 words that
most mails have; the loss is logistic, and λ is 3 · 10⁻⁴, near 1/n. Every method is run: what it has
read and where it stands after each round is that of a run. The seconds follow, for any network: in
each round the worker with the most entries sets the pace, and then comes a ring all-reduce
(`mlsys_lib.distributed_optimization.cost`). The tests hold that to the clocks of runs.

Gradient descent and mini-batch SGD take the same steps whatever the workers, and so are run on one.
The step sizes were tried beforehand: each is the one that reaches the target in the fewest rounds,
of 8, 16, …, 128, and for gradient descent of 1/L, 2/L and 4/L. Mini-batch SGD takes the batch size,
of three, that is the fastest on the network shown.
"""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from mlsys_lib.comm import Network, PerRank, Run, simulate
from mlsys_lib.comm.ledger import COMPUTE
from mlsys_lib.core.units import format_seconds
from mlsys_lib.datasets.mails import mails, tf_idf_rows
from mlsys_lib.distributed_optimization import (
    Logistic,
    Objective,
    Optimum,
    SparseRows,
    cocoa,
    distributed_gradient_descent,
    distributed_minibatch_sgd,
    local_sgd,
    one_shot_average,
    solve,
)
from mlsys_lib.distributed_optimization.cost import CERTIFICATE, primal_cost
from mlsys_lib.distributed_optimization.rows import with_unit_rows
from mlsys_lib.distributed_optimization.sampling import batches
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.distributed_optimization import Path, TimePlot, TimeToAccuracy

NUM_WORDS = 1000
PENALTY = 3e-4
TARGET = 3e-3
SECONDS_PER_ENTRY = 4e-9
"""What NumPy takes to read and use an entry of these rows, on one core of a server."""
WORKERS = (2, 4, 8, 16)
LATENCIES_US = (1, 50, 1000, 20_000)
LOCAL_EXAMPLES = (32, 128, 512)
"""What a worker reads between two messages of local SGD and of CoCoA."""
LOCAL_BATCH = 8
PASSES, FEWEST_ROUNDS = 4, 6
"""Local SGD and CoCoA are run for as many rounds as it takes to read the mails four times."""
GRADIENT_DESCENT_RATE, GRADIENT_DESCENT_ROUNDS = 4.0, 30  # the first times 1/L
#: Batch size of mini-batch SGD: step size, rounds.
MINIBATCH = {16: (16.0, 190), 64: (64.0, 80), 256: (128.0, 40)}
#: Workers and examples between messages: step size of local SGD.
LOCAL_RATES = {
    (2, 32): 16.0, (2, 128): 16.0, (2, 512): 16.0,
    (4, 32): 32.0, (4, 128): 16.0, (4, 512): 16.0,
    (8, 32): 32.0, (8, 128): 32.0, (8, 512): 16.0,
    (16, 32): 64.0, (16, 128): 32.0, (16, 512): 16.0,
}  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """A run, before anybody has timed it.

    Attributes
    ----------
    name, setting : str
    gaps : tuple of float
        f(w) - f* before the first round and after each.
    entries : tuple of float
        What the worker that has most to read reads in each round.
    num_words : int
        The numbers that a round sums over all workers.
    """

    name: str
    setting: str
    gaps: tuple[float, ...]
    entries: tuple[float, ...]
    num_words: int = NUM_WORDS


def time_to_accuracy_explorer() -> Explorer:
    """Return the explorer: workers, latency and local work; who reaches the target first."""
    return Explorer(
        name="time-to-accuracy",
        title="Time to accuracy: which method gets there first?",
        compute=time_to_accuracy,
        plot=TimePlot,
        controls=(
            Control("workers", WORKERS, default=4),
            Control(
                "latency_us", LATENCIES_US, default=50, label="latency",
                format=lambda latency_us: format_seconds(latency_us * 1e-6),
            ),
            Control(
                "local_examples", LOCAL_EXAMPLES, default=128,
                label="local work", unit="mails",
            ),
        ),
        describe=describe_time,
        table=time_table,
    )  # fmt: skip


def time_to_accuracy(workers: int, latency_us: float, local_examples: int) -> TimeToAccuracy:
    """Return the way of each method towards the minimum, in seconds on one network."""
    network = Network(latency_s=latency_us * 1e-6)
    timed = partial(on_network, network=network, workers=workers)
    batches = [timed(minibatch_trace(batch_size, workers)) for batch_size in MINIBATCH]
    paths = (
        timed(gradient_descent_trace(workers)),
        min(batches, key=lambda path: path.target_s(TARGET)),
        timed(one_shot_trace(workers)),
        timed(local_trace(workers, local_examples)),
        timed(cocoa_trace(workers, local_examples)),
    )
    return TimeToAccuracy(workers, network.latency_s, local_examples, TARGET, paths)


def on_network(trace: Trace, network: Network, workers: int) -> Path:
    """Time a run: the worker with the most to read sets the pace of each round."""
    compute_s = np.cumsum([0.0, *trace.entries]) * SECONDS_PER_ENTRY
    before_s, one_s = (
        primal_cost(workers, trace.num_words, rounds).time_s(network) for rounds in (0, 1)
    )
    send_s = before_s + np.arange(len(trace.gaps)) * (one_s - before_s)
    return Path(
        trace.name, trace.setting, trace.gaps, tuple(compute_s.tolist()), tuple(send_s.tolist())
    )


@cache
def gradient_descent_trace(workers: int) -> Trace:
    """Return gradient descent; its steps do not depend on the workers, what they read does."""
    most = max(len(part.data) for part in dealt(workers)[0].values)
    gaps = _gradient_descent_gaps()
    return Trace("gradient descent", "", gaps, (2.0 * most,) * (len(gaps) - 1))


@cache
def minibatch_trace(batch_size: int, workers: int) -> Trace:
    """Return mini-batch SGD; its steps do not depend on the workers, what they read does."""
    gaps = _minibatch_gaps(batch_size)
    X = objective().X
    assert isinstance(X, SparseRows)
    lengths = np.diff(X.indptr)
    owner = np.repeat(np.arange(workers), [len(y) for y in dealt(workers)[1].values])
    drawn = batches(len(lengths), batch_size, "epochs", np.random.default_rng(0))
    entries = tuple(
        2.0 * np.bincount(owner[batch], weights=lengths[batch]).max()
        for _, batch in zip(gaps[1:], drawn, strict=False)
    )
    return Trace("mini-batch SGD", f"b = {batch_size}", gaps, entries)


@cache
def one_shot_trace(workers: int) -> Trace:
    """Return one-shot averaging; each worker solves its own problem to a tenth of the target."""
    run = simulate(
        one_shot_average, workers, *dealt(workers), Logistic(), PENALTY,
        tolerance=TARGET / 10, seconds_per_entry=1.0,
    )  # fmt: skip
    history = np.array([np.zeros(NUM_WORDS), run.results[0]])
    return Trace("one-shot", "", _gaps(history), most_entries(run, 1))


@cache
def local_trace(workers: int, local_examples: int) -> Trace:
    """Return local SGD, with steps of `LOCAL_BATCH` examples."""
    num_rounds = rounds_of(workers, local_examples)
    num_steps = local_examples // LOCAL_BATCH
    run = simulate(
        local_sgd, workers, *dealt(workers), Logistic(), PENALTY,
        LOCAL_RATES[workers, local_examples], num_rounds, num_steps, LOCAL_BATCH,
        seconds_per_entry=1.0,
    )  # fmt: skip
    gaps = _gaps(run.results[0].history)
    return Trace("local SGD", f"H = {num_steps}", gaps, most_entries(run, num_rounds, num_steps))


@cache
def cocoa_trace(workers: int, local_examples: int) -> Trace:
    """Return CoCoA⁺, which adds; it stops once its certificate is a quarter of the target."""
    run = simulate(
        cocoa, workers, *dealt(workers), Logistic(), PENALTY,
        rounds_of(workers, local_examples), num_local_steps=local_examples,
        tolerance=TARGET / 4, seconds_per_entry=1.0,
    )  # fmt: skip
    gaps = tuple((np.array(run.results[0].primal) - optimum().value).tolist())
    num_rounds = len(gaps) - 1
    num_words = NUM_WORDS + CERTIFICATE
    entries = most_entries(run, num_rounds)
    return Trace("CoCoA", f"H = {local_examples}", gaps, entries, num_words)


def rounds_of(workers: int, local_examples: int) -> int:
    """Return for how many rounds local SGD and CoCoA are run."""
    return max(FEWEST_ROUNDS, PASSES * objective().num_examples // (workers * local_examples))


def most_entries(run: Run, num_rounds: int, per_round: int = 1) -> tuple[float, ...]:
    """Return what the worker with the most to read reads in each round, by a run's ledger.

    The run counts a second an entry. Work beyond the rounds is left out: CoCoA improves once more
    before it learns that it may stop.
    """
    of_rank: list[list[float]] = [[] for _ in run.results]
    for entry in run.ledger.log:
        if entry[0] == COMPUTE:
            of_rank[entry[1]].append(entry[2])
    work = np.array(of_rank)[:, : per_round * num_rounds]
    by_round = work.reshape(len(of_rank), num_rounds, per_round).sum(axis=2)
    return tuple(by_round.max(axis=0).tolist())


def describe_time(shown: TimeToAccuracy) -> str:
    """Say who is first, when each method reaches the target, and where one-shot stays."""
    first = " and ".join(path.name for path in shown.winners)
    ways = "; ".join(_way(path, shown.target) for path in shown.paths)
    return (
        f"Distance to the minimum against simulated seconds: {shown.workers} workers, latency "
        f"{format_seconds(shown.latency_s)}, 10 Gb/s; local SGD and CoCoA read "
        f"{shown.local_examples} mails a worker between messages. First to reach "
        f"{shown.target:g}: {first}. By method: {ways}. Second panel: the time to the target, "
        "split into computing and sending."
    )


def _way(path: Path, target: float) -> str:
    rounds, name = path.rounds_to(target), path.title
    if rounds is None:
        return f"{name}: never, it ends at {path.gaps[-1]:.2g}"
    compute_s, send_s = path.compute_s[rounds], path.send_s[rounds]
    words = "1 round" if rounds == 1 else f"{rounds} rounds"
    total_s = compute_s + send_s
    return f"{name}: {format_seconds(total_s)} ({words}, {send_s / total_s:.0%} of it sending)"


def time_table(shown: TimeToAccuracy) -> Table:
    """Return a row a method: rounds and seconds to the target, and where it ends."""
    header = ("method", "rounds", "seconds", "computing", "sending", "f(w) - f* at the end")
    rows: list[tuple[object, ...]] = []
    for path in shown.paths:
        rounds = path.rounds_to(shown.target)
        end = float(f"{path.gaps[-1]:.2g}")
        if rounds is None:
            rows.append((path.title, "not reached", "–", "–", "–", end))
            continue
        parts = (path.compute_s[rounds], path.send_s[rounds])
        rows.append((path.title, rounds, *map(format_seconds, (sum(parts), *parts)), end))
    return header, rows


@cache
def objective() -> Objective:
    """Return the loss of all training mails, on the words that most of them have."""
    train, *_ = mails()
    indptr, indices, values = tf_idf_rows(train, train)
    kept = indices < NUM_WORDS
    starts = np.concatenate([[0], np.cumsum(kept)])[indptr]
    X = SparseRows(values[kept], indices[kept], starts, NUM_WORDS)
    return Objective(with_unit_rows(X), train.labels, Logistic(), PENALTY)


@cache
def optimum() -> Optimum:
    """Return where the loss is smallest, to a hundred-thousandth of the target."""
    return solve(objective(), TARGET * 1e-5)


@cache
def dealt(workers: int) -> tuple[PerRank, PerRank]:
    """Return each worker's mails and labels; the mails are in no order, so parts are alike."""
    everything = objective()
    rows = np.array_split(np.arange(everything.num_examples), workers)
    return PerRank([everything.X[own] for own in rows]), PerRank(
        [everything.y[own] for own in rows]
    )


@cache
def _gradient_descent_gaps() -> tuple[float, ...]:
    rate = GRADIENT_DESCENT_RATE / objective().smoothness
    run = simulate(
        distributed_gradient_descent, 1, *dealt(1), Logistic(), PENALTY, rate,
        GRADIENT_DESCENT_ROUNDS,
    )  # fmt: skip
    return _gaps(run.results[0].history)


@cache
def _minibatch_gaps(batch_size: int) -> tuple[float, ...]:
    rate, num_rounds = MINIBATCH[batch_size]
    run = simulate(
        distributed_minibatch_sgd, 1, *dealt(1), Logistic(), PENALTY, rate, num_rounds, batch_size
    )
    return _gaps(run.results[0].history)


def _gaps(history: np.ndarray) -> tuple[float, ...]:
    """Return f(w) - f* of each row of weights."""
    return tuple(objective().value(weights) - optimum().value for weights in history)
