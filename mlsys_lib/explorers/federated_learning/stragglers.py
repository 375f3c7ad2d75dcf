"""Stragglers: FedAvg that drops them, FedAvg that takes what they have, and FedProx.

The data are those of FedProx, `mlsys_lib.federated_learning.synthetic`, smaller: 20 features for
60, and 30 clients of n_i = ⌊LogNormal(2, 1.5)⌋ + 20 examples for ⌊LogNormal(4, 2)⌋ + 50. Each curve
is a run of 20 rounds with 10 clients a round, 10 epochs, batches of 10 and η = 0.1; the paper has
200 rounds, 20 epochs and η = 0.01. All runs have one seed, so that the three ways see the same
samples and the same stragglers; the tests ask other seeds whether they agree.
"""

from functools import cache, partial
from typing import Any

import numpy as np

from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.federated_learning import (
    Client,
    SoftmaxRegression,
    Stragglers,
    SyntheticData,
    fedavg,
    fedprox,
    pooled,
    synthetic,
)
from mlsys_lib.plots.federated_learning.stragglers import (
    LATE,
    NAMES,
    StragglersPlot,
    Straggling,
    Training,
)

NUM_CLIENTS, NUM_SAMPLED = 30, 10
SHARES, PROXIMAL_WEIGHTS = (0.0, 0.5, 0.9), (0.0, 0.1, 1.0)
NUM_ROUNDS, SEED = 20, 1
NUM_FEATURES = 20
MODEL = SoftmaxRegression(NUM_FEATURES, 10)
SETTINGS: dict[str, Any] = {
    "num_rounds": NUM_ROUNDS,
    "local_epochs": 10,
    "batch_size": 10,
    "learning_rate": 0.1,
    "client_fraction": NUM_SAMPLED / NUM_CLIENTS,
    "seed": SEED,
}
DATA: dict[str, dict[str, Any]] = {
    "iid": {"iid": True},
    "(0, 0)": {"model_spread": 0.0, "input_spread": 0.0},
    "(1, 1)": {"model_spread": 1.0, "input_spread": 1.0},
}


def stragglers_explorer() -> Explorer:
    """Return the explorer: data, share of stragglers and λ; what becomes of the server's model."""
    return Explorer(
        name="stragglers",
        title="Stragglers: drop them, or take what they have?",
        compute=straggling,
        plot=partial(StragglersPlot, NUM_ROUNDS),
        controls=(
            Control("data", tuple(DATA), default="(1, 1)", label="synthetic data"),
            Control("share", SHARES, default=0.0, label="stragglers", format=".0%"),
            Control(
                "proximal_weight", PROXIMAL_WEIGHTS, default=0.1,
                label="proximal weight λ", format="g",
            ),
        ),
        describe=describe_straggling,
        table=straggling_table,
    )  # fmt: skip


def straggling(data: str, share: float, proximal_weight: float) -> Straggling:
    """Return the runs of the three ways."""
    taken = training(data, share, 0.0, "partial")
    dropped = training(data, share, 0.0, "drop") if share else taken
    held = training(data, share, proximal_weight, "partial")
    trainings = dict(zip(NAMES, (dropped, taken, held), strict=True))
    return Straggling(data, share, proximal_weight, NUM_SAMPLED, trainings)


@cache
def training(data: str, share: float, proximal_weight: float, late: str) -> Training:
    """Return losses and accuracies of a run, over the examples of all clients."""
    clients, (train, test) = synthetic_data(data).train, examples(data)
    systems, start = Stragglers(share, late), np.zeros(MODEL.num_weights)
    method = partial(fedprox, proximal_weight=proximal_weight) if proximal_weight else fedavg
    run = method(MODEL, clients, start, systems=systems, **SETTINGS)
    return Training(
        tuple(MODEL.loss(w, train.X, train.y) for w in run.weights),
        tuple(float(np.mean(MODEL.predict(w, test.X) == test.y)) for w in run.weights),
        tuple(len(steps) for steps in run.num_steps),
    )


@cache
def synthetic_data(data: str) -> SyntheticData:
    """Return the clients."""
    return synthetic(
        num_clients=NUM_CLIENTS, num_features=NUM_FEATURES, log_size=2.0, log_size_std=1.5,
        least_examples=20, **DATA[data],
    )  # fmt: skip


@cache
def examples(data: str) -> tuple[Client, Client]:
    """Return all clients' examples, to train on and to test on."""
    made = synthetic_data(data)
    return pooled(made.train), pooled(made.test)


def describe_straggling(shown: Straggling) -> str:
    """Say who is late, and where each way ends."""
    names = (*NAMES[:2], f"FedProx with λ = {shown.proximal_weight:g}")
    ways = "; ".join(
        f"{name}: {run.end_loss:.3g}, {run.end_right:.1%}"
        for name, run in zip(names, shown.trainings.values(), strict=True)
    )
    late = f"{shown.num_late} are late and have done a part of their epochs"
    if not shown.share:
        late = "nobody is late, so that both kinds of FedAvg are one run"
    free = "" if shown.proximal_weight else " With λ = 0 FedProx is the FedAvg that takes."
    losses = shown.trainings[NAMES[0]].losses
    return (
        f"Training loss against rounds, synthetic data {shown.data}. Of {shown.num_sampled} "
        f"clients a round {late}. FedAvg drops who is late, or takes what they have, as FedProx "
        f"does. Median loss and test accuracy of the last {LATE} rounds: {ways}.{free} Largest "
        f"loss of FedAvg that drops: {max(losses):.3g}; before the first round {losses[0]:.3g}. "
        "Second panel: test accuracy."
    )


def straggling_table(shown: Straggling) -> Table:
    """Return some of the rounds: training loss and test accuracy of each way."""
    header = ("round", *(f"{name}: {what}" for name in NAMES for what in ("loss", "right")))
    runs = shown.trainings.values()
    rows: list[tuple[object, ...]] = []
    for t in range(0, NUM_ROUNDS + 1, 2):
        pairs = [(f"{run.losses[t]:.3g}", f"{run.right[t]:.1%}") for run in runs]
        rows.append((t, *(entry for pair in pairs for entry in pair)))
    ends = [(f"{run.end_loss:.3g}", f"{run.end_right:.1%}") for run in runs]
    rows.append((f"median of the last {LATE}", *(entry for pair in ends for entry in pair)))
    return header, rows
