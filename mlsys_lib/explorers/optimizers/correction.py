"""The first steps of Adam with and without its correction, in runs of `mlsys_lib.optimizers`.

Three formulas: Adam's; the same with both averages as they are; and the one on the cheat sheet,
which also has the decays the other way round, so that the gradients' average keeps δ₂ and that of
their squares 0.9. The losses are those of a small network on `fashion_mnist`, pooled to 7 by 7
pixels; the three trainings begin with the same weights and see the same batches.
"""

from collections.abc import Iterator
from functools import cache, partial

import numpy as np

from mlsys_lib.core.units import format_count
from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.optimizers import Adam, Network
from mlsys_lib.plots.optimizers import Correction, CorrectionPlot
from mlsys_lib.plots.optimizers.correction import NAMES

NUM_STEPS, NUM_LOSS_STEPS = 1000, 300
FIRST_DECAY = 0.9
GRADIENTS = ("constant", "noisy", "of the network")
LEARNING_RATES = (0.001, 0.01, 0.03, 0.1)
NOISE = 2.0
_NUM_WEIGHTS = 400  # over which noisy steps are averaged
_WIDTHS = (49, 32, 10)
_BATCH_SIZE = 32
_LISTED = (1, 3, 12, 30, 100, 300, 1000)
_STEPS = tuple(sorted({*np.geomspace(1, NUM_STEPS, 60).round().astype(int).tolist(), *_LISTED}))
_LOSS_STEPS = tuple(t for t in _STEPS if t <= NUM_LOSS_STEPS)
_WORDS = {
    "constant": "a constant gradient",
    "noisy": "noisy gradients",
    "of the network": "the network's gradients",
}


def correction_explorer() -> Explorer:
    """Return the explorer: decay, gradients and learning rate; lengths of steps, and losses."""
    return Explorer(
        name="correction",
        title="The first steps of Adam: what happens without the correction, and for how long?",
        compute=correction,
        plot=partial(CorrectionPlot, NUM_STEPS, NUM_LOSS_STEPS),
        controls=(
            Control("second_decay", (0.9, 0.99, 0.999), default=0.999, label="decay δ₂"),
            Control("gradients", GRADIENTS, default="constant"),
            Control("learning_rate", LEARNING_RATES, default=0.1, label="learning rate η"),
        ),
        describe=describe_correction,
        table=correction_table,
    )


def correction(second_decay: float, gradients: str, learning_rate: float) -> Correction:
    """Return lengths of steps with these gradients, and the losses with this learning rate."""
    runs = {name: train_network(name, second_decay, learning_rate) for name in NAMES}
    if gradients == "of the network":
        all_lengths = {name: run[0] for name, run in runs.items()}
    else:
        all_lengths = {name: step_lengths(name, second_decay, gradients) for name in NAMES}
    steps = tuple(t for t in _STEPS if t <= len(all_lengths[NAMES[0]]))
    at = np.array(steps) - 1
    return Correction(
        second_decay=second_decay,
        gradients=_WORDS[gradients],
        learning_rate=learning_rate,
        steps=steps,
        lengths={name: tuple(lengths[at].tolist()) for name, lengths in all_lengths.items()},
        loss_steps=_LOSS_STEPS,
        losses={name: run[1] for name, run in runs.items()},
        right={name: run[2] for name, run in runs.items()},
        first_loss=_network().loss(*pooled_images()[2:]),
        close_from=close_from(second_decay),
    )


def make_adam(name: str, weights: list[np.ndarray], decay: float, learning_rate: float) -> Adam:
    """Return Adam by one of three formulas."""
    decays = (decay, FIRST_DECAY) if name == "as on the sheet" else (FIRST_DECAY, decay)
    return Adam(
        weights, learning_rate=learning_rate, decays=decays, bias_correction=name == "corrected"
    )


@cache
def step_lengths(name: str, decay: float, gradients: str, num_steps: int = NUM_STEPS) -> np.ndarray:
    """Return mean |change| / η of each step, for gradients that do not depend on the weights."""
    w = np.zeros(_NUM_WEIGHTS if gradients == "noisy" else 1)
    adam, lengths = make_adam(name, [w], decay, 1.0), []
    rng = np.random.default_rng(0)
    for _ in range(num_steps):
        before = w.copy()
        adam.step([1 + NOISE * rng.normal(size=len(w)) if gradients == "noisy" else np.ones(1)])
        lengths.append(np.abs(w - before).mean())
    return np.array(lengths)


@cache
def close_from(decay: float) -> int:
    """Return the first step from which on the uncorrected length is between 0.9 and 1.1."""
    lengths = step_lengths("not corrected", decay, "constant", 2 * NUM_STEPS)
    return int(np.flatnonzero(np.abs(lengths - 1) >= 0.1)[-1]) + 2


@cache
def train_network(
    name: str, decay: float, learning_rate: float
) -> tuple[np.ndarray, tuple[float, ...], float]:
    """Return mean |change| / η of each step, losses after `_LOSS_STEPS`, and the share right."""
    X, y, X_test, y_test = pooled_images()
    network = _network()
    adam = make_adam(name, network.weights, decay, learning_rate)
    lengths, losses = [], []
    for t, batch in enumerate(_batches(len(y)), start=1):
        before = np.concatenate([w.ravel() for w in network.weights])
        adam.step(network.loss_and_gradients(X[batch], y[batch])[1])
        after = np.concatenate([w.ravel() for w in network.weights])
        lengths.append(np.abs(after - before).mean() / learning_rate)
        if t in _LOSS_STEPS:
            losses.append(network.loss(X_test, y_test))
    return np.array(lengths), tuple(losses), network.accuracy(X_test, y_test)


def describe_correction(shown: Correction) -> str:
    """Say how long the uncorrected steps are, and where the trainings end."""
    marks = ", ".join(f"{length:.3g} in step {t}" for t, length in shown.marks.items())
    sheet = shown.lengths["as on the sheet"]
    ends = "; ".join(
        f"{name} {shown.losses[name][0]:.3g} after the first step, {shown.losses[name][-1]:.3g} at "
        f"the end, {shown.right[name]:.0%} right"
        for name in NAMES
    )
    return (
        f"Mean steps of Adam in units of η, for δ₂ = {shown.second_decay:g} and "
        f"{shown.gradients}. Not corrected: {marks}. Corrected: "
        f"{shown.lengths['corrected'][0]:.3g} in step 1. As on the sheet: {sheet[0]:.2g} in step "
        f"1, {sheet[-1]:.3g} in step {shown.steps[-1]}. With a constant gradient the uncorrected "
        f"step is within a tenth of η from step {format_count(shown.close_from)} on. Second "
        f"panel: test loss of a network with η = {shown.learning_rate:g}, "
        f"{shown.first_loss:.3g} before: {ends}."
    )


def correction_table(shown: Correction) -> Table:
    """Return some of the steps: mean lengths and test losses by each formula."""
    header = (
        "step",
        *(f"{name}: step / η" for name in NAMES),
        *(f"{name}: loss" for name in NAMES),
    )
    rows = []
    for t in _LISTED:
        lengths, losses = (
            [f"{mapping[name][steps.index(t)]:.3g}" if t in steps else "–" for name in NAMES]
            for mapping, steps in ((shown.lengths, shown.steps), (shown.losses, shown.loss_steps))
        )
        rows.append((t, *lengths, *losses))
    return header, rows


def _network() -> Network:
    return Network(_WIDTHS, np.random.default_rng(0))


def _batches(num_samples: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(1)
    for _ in range(NUM_LOSS_STEPS):
        yield rng.integers(0, num_samples, _BATCH_SIZE)


@cache
def pooled_images() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return X of shape (n, 49), mean 0 and deviation 1 over the training set, and y; twice."""
    X, y, X_test, y_test = fashion_mnist()
    pooled = [x.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49) for x in (X, X_test)]
    mean, std = pooled[0].mean(), pooled[0].std()
    return (pooled[0] - mean) / std, y, (pooled[1] - mean) / std, y_test
