"""A straggler and bounded staleness, in runs of `train_stale` on real digits.

Softmax regression on scikit-learn's digits. They are shared out either well mixed, or sorted: then
each worker knows only a few of the ten digits, the slow one the zeros, and it matters whose
gradients are late.
"""

from functools import cache

import numpy as np

from mlsys_lib.collectives import StaleTrace, shard_gradient, softmax_gradient, train_stale
from mlsys_lib.comm import Faults, Run, simulate
from mlsys_lib.datasets import digits
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.collectives import Straggler, StragglerPlot

_NUM_SAMPLES, _NUM_CLASSES = 600, 10
_NUM_STEPS, _LEARNING_RATE, _COMPUTE_S = 24, 2.0, 0.1
_TARGET_LOSS = 0.8
_WINDOW_S = 2.4  # long enough to see the fast ones stop at s = 16


def straggler_explorer() -> Explorer:
    """Return the explorer: workers, slow factor, staleness; the loss in time, and who waits."""
    return Explorer(
        name="straggler",
        title="The straggler: wait, or work with old weights?",
        compute=straggler,
        plot=StragglerPlot,
        controls=(
            Control("workers", (2, 4, 8), default=4),
            Control("slow_factor", (1, 2, 4, 8), default=4, label="one is slower", unit="times"),
            Control("staleness", (0, 1, 2, 4, 16), default=0, label="staleness bound s"),
            Control("data", ("mixed", "sorted"), default="mixed", label="workers' data"),
        ),
        describe=describe_straggler,
        table=straggler_table,
    )


def straggler(workers: int, slow_factor: int, staleness: int, data: str) -> Straggler:
    """Train with one slow worker and bounded staleness, and synchronously."""
    run = _run(workers, slow_factor, staleness, data)
    time_s, loss, error = _curve(workers, slow_factor, staleness, data)
    synchronous_time_s, synchronous_loss, synchronous_error = _curve(workers, slow_factor, 0, data)
    spans = run.ledger.timeline().spans
    return Straggler(
        workers=workers,
        slow_factor=slow_factor,
        staleness=staleness,
        data=data,
        time_s=time_s,
        loss=loss,
        synchronous_time_s=synchronous_time_s,
        synchronous_loss=synchronous_loss,
        target_loss=_TARGET_LOSS,
        time_to_target_s=_first_time(time_s, loss),
        synchronous_time_to_target_s=_first_time(synchronous_time_s, synchronous_loss),
        final_error=error,
        synchronous_final_error=synchronous_error,
        largest_lead=max(run.results[0].lead),
        spans=tuple(span for span in spans if span.start_s < _WINDOW_S),
        window_s=_WINDOW_S,
    )


def describe_straggler(run: Straggler) -> str:
    """Say what staleness bought and cost."""

    def outcome(time_s: float, error: float) -> str:
        reached = f"after {time_s:.1f} seconds" if np.isfinite(time_s) else "never"
        return f"reaches the target loss {reached} and misreads {error:.1%} in the end"

    stale = outcome(run.time_to_target_s, run.final_error)
    synchronous = outcome(run.synchronous_time_to_target_s, run.synchronous_final_error)
    return (
        f"{run.workers} workers with {run.data} data, one {run.slow_factor} times slower. "
        f"With staleness bound {run.staleness} training {stale}; synchronous training "
        f"{synchronous}. The largest lead is {run.largest_lead} steps."
    )


def straggler_table(run: Straggler) -> Table:
    """Return a row each for the loss now and then."""
    columns = (run.time_s, run.loss, run.synchronous_time_s, run.synchronous_loss)
    rows = [tuple(round(float(x), 3) for x in row) for row in zip(*columns, strict=True)]
    return ("seconds", "loss", "synchronous: seconds", "synchronous: loss"), rows


@cache
def _digits(data: str) -> tuple[np.ndarray, np.ndarray]:
    """Return X of shape (n_samples, 65), its last column ones, and y, in the order of sharing."""
    X, y = (part[:_NUM_SAMPLES] for part in digits())  # the digits come well mixed
    if data == "sorted":
        order = np.argsort(y, kind="stable")
        X, y = X[order], y[order]
    return np.c_[X, np.ones(len(y))], y


def _class_weights(flat: np.ndarray) -> np.ndarray:
    return flat.reshape(-1, _NUM_CLASSES)


@cache
def _run(workers: int, slow_factor: int, staleness: int, data: str) -> Run:
    X, y = _digits(data)
    return simulate(
        train_stale,
        workers + 1,
        np.zeros(X.shape[1] * _NUM_CLASSES),
        shard_gradient(X, y, workers),
        _NUM_STEPS,
        _LEARNING_RATE,
        staleness,
        _COMPUTE_S,
        faults=Faults(slow={1: slow_factor}),
    )


@cache
def _curve(
    workers: int, slow_factor: int, staleness: int, data: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return time and loss after every `workers` updates, and the final share of errors."""
    trace: StaleTrace = _run(workers, slow_factor, staleness, data).results[0]
    X, y = _digits(data)
    time_s = np.array([0.0, *trace.time_s[workers - 1 :: workers]])
    history = trace.history[::workers]
    loss = [softmax_gradient(_class_weights(w), X, y)[0] / len(y) for w in history]
    wrong = (X @ _class_weights(trace.weights)).argmax(axis=1) != y
    return time_s, np.array(loss), float(wrong.mean())


def _first_time(time_s: np.ndarray, loss: np.ndarray) -> float:
    """Return the first time at which the loss is at most the target, or inf."""
    reached = time_s[loss <= _TARGET_LOSS]
    return float(reached[0]) if len(reached) else float("inf")
