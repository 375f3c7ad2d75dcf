"""Client drift: FedAvg with more or fewer local epochs, on clients that are alike or not.

Twenty clients share 1000 images of `fashion_mnist`, 100 of each class, 50 a client, pooled to 7 by
7 pixels. The model is softmax regression with penalty 0.1, so that there is one minimum f*. Every
curve is a run of `mlsys_lib.federated_learning.fedavg`: 50 rounds, full batches, so that an epoch
is one step, and η = 0.2 for every E. With E = 1 and all clients it is gradient descent, whatever
the split.
"""

from functools import cache, partial

import numpy as np

from mlsys_lib.datasets.fashion_mnist import CLASSES
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.explorers.optimizers.correction import pooled_images
from mlsys_lib.federated_learning import (
    Client,
    History,
    SoftmaxRegression,
    dirichlet_partition,
    fedavg,
)
from mlsys_lib.optimizers import HeavyBall
from mlsys_lib.plots.federated_learning.drift import LATE, Descent, Drift, DriftPlot, verdict

NUM_CLIENTS, IMAGES_PER_CLASS = 20, 100
ALL_EPOCHS = (1, 2, 5, 20)
CONCENTRATIONS = (0.1, 0.5, 100.0)
FRACTIONS = (0.1, 0.5, 1.0)
NUM_ROUNDS, LEARNING_RATE, PENALTY = 50, 0.2, 0.1
TARGET = 0.1
MODEL = SoftmaxRegression(49, len(CLASSES), PENALTY)
_WORDS = {0.1: "0.1, few classes each", 0.5: "0.5", 100.0: "100, nearly alike"}
_LISTED = (0, 1, 2, 5, 10, 20, 30, 40, 45, 50)


def drift_explorer() -> Explorer:
    """Return the explorer: local epochs, split and sampling; how near the minimum FedAvg gets."""
    return Explorer(
        name="drift",
        title="Client drift: when do more local epochs stop helping?",
        compute=drift,
        plot=partial(DriftPlot, ALL_EPOCHS, NUM_ROUNDS, NUM_CLIENTS, CLASSES),
        controls=(
            Control("local_epochs", ALL_EPOCHS, default=5, label="local epochs E"),
            Control("concentration", CONCENTRATIONS, default=100.0, format=_WORDS.__getitem__),
            Control(
                "client_fraction", FRACTIONS, default=1.0, label="clients a round C", format="g"
            ),
        ),
        describe=describe_drift,
        table=drift_table,
    )


def drift(local_epochs: int, concentration: float, client_fraction: float) -> Drift:
    """Return the runs for every E on one split, one of them chosen."""
    clients = split(concentration)
    return Drift(
        concentration=concentration,
        client_fraction=client_fraction,
        chosen=local_epochs,
        descents={epochs: descent(epochs, concentration, client_fraction) for epochs in ALL_EPOCHS},
        target=TARGET,
        classes=CLASSES,
        counts=tuple(
            tuple(np.bincount(client.y, minlength=len(CLASSES)).tolist()) for client in clients
        ),
        first_sample=train(local_epochs, concentration, client_fraction).sampled[0],
    )


@cache
def descent(local_epochs: int, concentration: float, client_fraction: float) -> Descent:
    """Return f(w) - f* of a run, with f over all images, and its accuracy on the test images."""
    history = train(local_epochs, concentration, client_fraction)
    images, test = examples()
    gaps = (MODEL.loss(w, images.X, images.y) - minimum() for w in history.weights)
    right = np.mean(MODEL.predict(history.final, test.X) == test.y)
    return Descent(local_epochs, tuple(gaps), float(right))


@cache
def train(local_epochs: int, concentration: float, client_fraction: float) -> History:
    """Return a run of FedAvg from zero."""
    return fedavg(
        MODEL, split(concentration), np.zeros(MODEL.num_weights), num_rounds=NUM_ROUNDS,
        local_epochs=local_epochs, batch_size=None, learning_rate=LEARNING_RATE,
        client_fraction=client_fraction,
    )  # fmt: skip


@cache
def split(concentration: float) -> tuple[Client, ...]:
    """Return what each client has."""
    images, _ = examples()
    parts = dirichlet_partition(images.y, NUM_CLIENTS, concentration)
    return tuple(Client(images.X[part], images.y[part]) for part in parts)


@cache
def examples() -> tuple[Client, Client]:
    """Return the first images of each class to train on, and all to test on."""
    X, y, X_test, y_test = pooled_images()
    first = [np.flatnonzero(y == c)[:IMAGES_PER_CLASS] for c in range(len(CLASSES))]
    kept = np.sort(np.concatenate(first))
    return Client(X[kept], y[kept]), Client(X_test, y_test)


@cache
def minimum(num_steps: int = 400) -> float:
    """Return f*, by gradient descent with momentum on all images in one place."""
    images, w = examples()[0], np.zeros(MODEL.num_weights)
    optimizer = HeavyBall([w], learning_rate=LEARNING_RATE, momentum=0.9)
    for _ in range(num_steps):
        optimizer.step([MODEL.gradient(w, images.X, images.y)])
    return MODEL.loss(w, images.X, images.y)


def describe_drift(shown: Drift) -> str:
    """Say what the clients hold, and for each E how soon the target is reached and what remains."""
    ways = "; ".join(f"E = {epochs}: {_way(shown, epochs)}" for epochs in shown.descents)
    held, num = shown.num_classes_held, len(shown.first_sample)
    return (
        f"Distance f(w) - f* of the server's model from the minimum against rounds of FedAvg, "
        f"concentration {shown.concentration:g}, {num} of {len(shown.counts)} clients a round. "
        f"Chosen, {verdict(shown)}. Rounds until it is first at most {shown.target:g}, and the "
        f"median of the last {LATE} rounds: {ways}. Nearest at the end: E = {shown.nearest}. "
        f"Second panel: the images of each class that each client holds; a typical client "
        f"has nine tenths of its images in {held} classes."
    )


def _way(shown: Drift, epochs: int) -> str:
    run = shown.descents[epochs]
    return f"{run.rounds_to(shown.target) or 'never'}, {run.end:.2g}, {run.right:.1%} right"


def drift_table(shown: Drift) -> Table:
    """Return some rounds: f(w) - f* for each E; then the end, and the share of right answers."""
    header = ("round", *(f"E = {epochs}" for epochs in shown.descents))
    runs = shown.descents.values()
    rows: list[tuple[object, ...]] = [(t, *(f"{run.gaps[t]:.3g}" for run in runs)) for t in _LISTED]
    rows.append((f"median of the last {LATE}", *(f"{run.end:.3g}" for run in runs)))
    reached = (run.rounds_to(shown.target) or "never" for run in runs)
    rows.append((f"first round at {shown.target:g}", *reached))
    rows.append(("right test answers", *(f"{run.right:.1%}" for run in runs)))
    return header, rows
