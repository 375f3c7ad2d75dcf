"""Training a network: shuffled mini-batches, a schedule, early stopping, and a trace.

A step whose loss, gradients or new weights are not finite ends the training. Weights and running
statistics are then those before that step; what the optimizer remembers is not taken back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer, positive_int
from mlsys_lib.optimizers.base import Optimizer
from mlsys_lib.optimizers.early_stopping import EarlyStopping
from mlsys_lib.optimizers.network import Network
from mlsys_lib.optimizers.schedules import Schedule

Data = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Trained:
    """What happened; the weights are in the network.

    Attributes
    ----------
    losses : tuple of float
        Mean cross-entropy (nats) of each step's batch, before the step.
    validation_losses : tuple of float
        After each whole epoch, if there are validation data.
    num_steps : int
        Steps taken and kept.
    stopped : {"finished", "early", "diverged"}
        Why training ended.
    """

    losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    num_steps: int
    stopped: str


def train(
    network: Network,
    X: np.ndarray,
    y: np.ndarray,
    optimizer: Optimizer,
    *,
    num_epochs: int,
    batch_size: int,
    rng: np.random.Generator,
    schedule: Schedule | None = None,
    validation: Data | None = None,
    early_stopping: EarlyStopping | None = None,
) -> Trained:
    """Train a network in place.

    Parameters
    ----------
    network : Network
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,), integer
    optimizer : Optimizer
        Made for `network.weights`.
    num_epochs, batch_size : int
        The last batch of an epoch may be smaller. With batch normalization a last batch of one
        sample is left out.
    rng : numpy.random.Generator
        For the order of the samples, new in each epoch.
    schedule : callable, optional
        The learning rate of each step, from 0; by default the optimizer's own.
    validation : tuple of two ndarrays, optional
        X and y that no step sees.
    early_stopping : EarlyStopping, optional
        Watches the validation loss. Its best weights are in the network at the end.

    Returns
    -------
    Trained

    Examples
    --------
    >>> from mlsys_lib.optimizers import Adam
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 2))
    >>> network = Network([2, 8, 2], rng)
    >>> adam = Adam(network.weights, learning_rate=0.05)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> trained = train(network, X, y, adam, num_epochs=20, batch_size=20, rng=rng)
    >>> trained.stopped, trained.num_steps, network.accuracy(X, y) > 0.95
    ('finished', 60, True)
    """
    _check(network, optimizer, len(y), num_epochs, batch_size, validation, early_stopping)
    losses: list[float] = []
    validation_losses: list[float] = []
    model, stopped = [*network.weights, *network.statistics], "finished"
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is looked for in `_step`
        for _ in range(num_epochs):
            batches = _batches(len(y), batch_size, rng, skip_one=bool(network.statistics))
            if not _epoch(network, X, y, optimizer, batches, schedule, losses):
                stopped = "diverged"
                break
            if validation is not None:
                validation_losses.append(network.loss(*validation))
            if early_stopping and early_stopping.update(validation_losses[-1], model):
                stopped = "early"
                break
    if early_stopping and early_stopping.best_value is not None:
        early_stopping.restore(model)
    return Trained(tuple(losses), tuple(validation_losses), len(losses), stopped)


def _epoch(
    network: Network,
    X: np.ndarray,
    y: np.ndarray,
    optimizer: Optimizer,
    batches: Iterator[np.ndarray],
    schedule: Schedule | None,
    losses: list[float],
) -> bool:
    """Take a step for each batch and append its loss; return False if one diverged."""
    for batch in batches:
        if schedule is not None:
            optimizer.learning_rate = schedule(len(losses))
        loss = _step(network, X[batch], y[batch], optimizer)
        if loss is None:
            return False
        losses.append(loss)
    return True


def _step(network: Network, X: np.ndarray, y: np.ndarray, optimizer: Optimizer) -> float | None:
    """Take a step and return its loss, or leave the model as it was and return None."""
    model = [*network.weights, *network.statistics]
    before = [array.copy() for array in model]
    loss, gradients = network.loss_and_gradients(X, y)
    if np.isfinite(loss) and _all_finite(gradients):
        optimizer.step(gradients)
        if _all_finite(model):
            return loss
    for array, old in zip(model, before, strict=True):
        array[...] = old
    return None


def _all_finite(arrays: Sequence[np.ndarray]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)


def _batches(
    num_samples: int, batch_size: int, rng: np.random.Generator, skip_one: bool
) -> Iterator[np.ndarray]:
    """Yield which samples make each batch of an epoch."""
    order = rng.permutation(num_samples)
    for start in range(0, num_samples, batch_size):
        batch = order[start : start + batch_size]
        if not (skip_one and len(batch) == 1):
            yield batch


def _check(
    network: Network,
    optimizer: Optimizer,
    num_samples: int,
    num_epochs: int,
    batch_size: int,
    validation: Data | None,
    early_stopping: EarlyStopping | None,
) -> None:
    mine = [id(w) for w in network.weights]
    if [id(w) for w in optimizer.weights] != mine:
        raise ValueError("optimizer must hold network.weights, it holds other arrays")
    positive_int("num_epochs", num_epochs)
    least = 2 if network.statistics else 1
    integer("batch_size", batch_size, least, max(least, num_samples))
    if early_stopping is not None and validation is None:
        raise ValueError("early_stopping must come with validation data, got None")
