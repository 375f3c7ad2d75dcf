"""Batch normalization on replicas, in runs of `BatchNorm` and of `SyncBatchNorm`.

A small network is trained on `fashion_mnist`, pooled to 7 by 7 pixels, in batches of 64. Then its
weights stay. The batches here are drawn with replacement: those on the left from what enters the
normalization of its hidden layer on the training images, those on the right from the test images.
Bytes and rounds are read from the ledger of a step, forwards and backwards.
"""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator, PerRank, Run, simulate
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.explorers.optimizers.correction import pooled_images
from mlsys_lib.optimizers import Adam, BatchNorm, Network, SyncBatchNorm, train
from mlsys_lib.plots.optimizers import Normalization, NormalizationPlot
from mlsys_lib.plots.optimizers.batch_norm import cost_text

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
REPLICAS = (1, 2, 4, 8)
COUNTS = tuple(2**power for power in range(1, 10))  # 2 … 512
UNIT = 0
NUM_UNITS = 32
_STATISTICS = {"own": "each replica its own", "all": "over all replicas"}
_NUM_DOTS = 60
_NUM_BATCHES = 300  # for the scatter of means
_NUM_DRAWN = 4096  # test images for each point of the curve


def batch_norm_explorer() -> Explorer:
    """Return the explorer: images of a replica, replicas, whose statistics."""
    return Explorer(
        name="batch-norm",
        title="With two images a GPU, what does batch norm normalize by?",
        compute=normalization,
        plot=partial(NormalizationPlot, COUNTS),
        controls=(
            Control("batch_size", BATCH_SIZES, default=2, label="images a replica"),
            Control("replicas", REPLICAS, default=8),
            Control(
                "statistics", tuple(_STATISTICS), default="own", format=_STATISTICS.__getitem__
            ),
        ),
        describe=describe_normalization,
        table=normalization_table,
    )


def normalization(batch_size: int, replicas: int, statistics: str) -> Normalization:
    """Return one setting."""
    synchronized = statistics == "all"
    count = batch_size * (replicas if synchronized else 1)
    scatter, cloud = batch_statistics(count)
    model, curve = trained(), training_mode()
    run = synchronized_step(batch_size, replicas) if synchronized and count > 1 else None
    return Normalization(
        replicas=replicas,
        batch_size=batch_size,
        synchronized=synchronized,
        cloud=cloud,
        step=step_statistics(batch_size, replicas, synchronized=synchronized),
        mean_scatter=scatter,
        counts=COUNTS,
        right=tuple(right for right, _ in curve),
        losses=tuple(loss for _, loss in curve),
        right_in_evaluation=model.right,
        loss_in_evaluation=model.loss,
        sent_bytes=max(run.ledger.sent_bytes) if run else 0,
        rounds=run.ledger.rounds if run else 0,
        gradient_bytes=gradient_bytes(replicas),
    )


@dataclass(frozen=True)
class Model:
    """A trained network: what enters its normalization, and how it does in evaluation."""

    network: Network
    values: np.ndarray  # of shape (n_train, NUM_UNITS), with mean 0 and deviation 1
    right: float
    loss: float


@cache
def trained() -> Model:
    """Train the network; ten epochs of 47 batches."""
    X, y, X_test, y_test = pooled_images()
    rng = np.random.default_rng(0)
    network = Network([49, NUM_UNITS, 10], rng, batch_norm=True)
    adam = Adam(network.weights, learning_rate=0.01)
    train(network, X, y, adam, num_epochs=10, batch_size=64, rng=rng)
    values = X @ network.weights[0].T + network.weights[1]
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    right, loss = network.accuracy(X_test, y_test), network.loss(X_test, y_test)
    return Model(network, values, right, loss)


@cache
def batch_statistics(count: int) -> tuple[float, np.ndarray]:
    """Return the scatter of batches' means, and mean and deviation of one unit in some batches."""
    values, rng = trained().values, np.random.default_rng(count)
    batches = values[rng.integers(0, len(values), (_NUM_BATCHES, count))]
    means, deviations = batches.mean(axis=1), batches.std(axis=1)
    cloud = np.stack([means[:_NUM_DOTS, UNIT], deviations[:_NUM_DOTS, UNIT]], axis=1)
    return float(np.sqrt((means**2).mean())), cloud


def step_statistics(batch_size: int, replicas: int, *, synchronized: bool) -> np.ndarray:
    """Return mean and deviation by which the layer normalizes, shape (num_statistics, 2).

    They are what a layer that forgets at once has as running statistics.
    """
    count = batch_size * (replicas if synchronized else 1)
    if count < 2:
        return np.empty((0, 2))
    if synchronized:
        layers = [synchronized_step(batch_size, replicas).results[0]]
    else:
        layers = [_forgetful() for _ in range(replicas)]
        for layer, shard in zip(layers, shards(batch_size, replicas), strict=True):
            layer.forward(shard)
    unbiased = np.array([layer.running_variance[UNIT] for layer in layers])
    means = [layer.running_mean[UNIT] for layer in layers]
    return np.stack([means, np.sqrt(unbiased * (count - 1) / count)], axis=1)


@cache
def synchronized_step(batch_size: int, replicas: int) -> Run:
    """Normalize a step's shards together and go back; the results are the replicas' layers."""
    return simulate(_step, replicas, PerRank(shards(batch_size, replicas)))


def _step(comm: Communicator, shard: np.ndarray) -> BatchNorm:
    layer = _forgetful()
    synchronized = SyncBatchNorm(comm, layer)
    synchronized.backward(synchronized.forward(shard))
    return layer


def shards(batch_size: int, replicas: int) -> list[np.ndarray]:
    """Return what enters the layer on each replica in one step; more replicas, more shards."""
    values, rng = trained().values, np.random.default_rng(7)
    rows = rng.integers(0, len(values), (max(BATCH_SIZES), max(REPLICAS)))
    return [values[rows[:batch_size, rank]] for rank in range(replicas)]


@cache
def training_mode() -> tuple[tuple[float, float], ...]:
    """Return share right and loss on test images, with statistics of each of `COUNTS` images."""
    *_, X, y = pooled_images()
    network, curve = trained().network, []
    running = [array.copy() for array in network.statistics]
    for count in COUNTS:
        drawn = np.random.default_rng(count).integers(0, len(y), (_NUM_DRAWN // count, count))
        logits = np.stack([network.logits(X[batch], training=True) for batch in drawn])
        right = float((logits.argmax(axis=2) == y[drawn]).mean())
        largest = logits.max(axis=2, keepdims=True)
        normalizer = np.log(np.exp(logits - largest).sum(axis=2)) + largest[..., 0]
        wanted = np.take_along_axis(logits, y[drawn][..., None], axis=2)[..., 0]
        curve.append((right, float((normalizer - wanted).mean())))
    for array, before in zip(network.statistics, running, strict=True):
        array[:] = before
    return tuple(curve)


@cache
def gradient_bytes(replicas: int) -> int:
    """Return the most that a replica sends to add up the gradient of the network."""
    size = sum(w.size for w in trained().network.weights)
    return max(simulate(ring_all_reduce, replicas, np.zeros(size)).ledger.sent_bytes)


def describe_normalization(shown: Normalization) -> str:
    """Say what the layer normalizes by, what the network then gets right, and what was sent."""
    images, own = (f"{n} image{'s' * (n > 1)}" for n in (shown.count, shown.batch_size))
    whose = "over all replicas" if shown.synchronized else "of each replica alone"
    start = (
        f"{shown.replicas} replica{'s' * (shown.replicas > 1)} with {own} "
        f"each, statistics {whose}: {images} behind each mean and deviation. Means of such batches "
        f"scatter by {shown.mean_scatter:.2g} deviations around the mean of all images."
    )
    remark = f" With so few, {shown.remark}." if shown.remark else ""
    if shown.refused:
        return f"{start}{remark}"
    at = shown.counts.index(shown.count)
    return (
        f"{start}{remark} Second panel: with these statistics the trained network names "
        f"{shown.right[at]:.1%} of the test images right, in evaluation "
        f"{shown.right_in_evaluation:.1%}. {cost_text(shown)}."
    )


def normalization_table(shown: Normalization) -> Table:
    """Return a row for each number of images behind the statistics."""
    header = ("images", "scatter of means (σ)", "1/√n", "right", "loss", "this setting")
    rows = [
        (
            count,
            f"{batch_statistics(count)[0]:.3f}",
            f"{count**-0.5:.3f}",
            f"{right:.1%}",
            f"{loss:.3f}",
            "◆" if count == shown.count else "",
        )
        for count, right, loss in zip(shown.counts, shown.right, shown.losses, strict=True)
    ]
    running = (f"{shown.right_in_evaluation:.1%}", f"{shown.loss_in_evaluation:.3f}")
    return header, [*rows, ("running", "–", "–", *running, "")]


def _forgetful() -> BatchNorm:
    return BatchNorm(NUM_UNITS, momentum=1.0)
