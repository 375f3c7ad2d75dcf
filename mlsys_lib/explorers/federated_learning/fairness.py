"""The fairness exponent q of q-FFL: every client's accuracy, what fairness costs, and who pays.

Two data sets, each with 20 clients of 150 examples, so that p_i = 1/20 and the mean over clients is
also the mean over examples.

* pictures: `fashion_mnist`, averaged over blocks of 4 by 4 pixels. Each client holds its camera at
  an angle of its own, most of them nearly upright. It is tested on the 1000 test pictures, turned
  alike.
* synthetic: `synthetic(1, 1)` with 20 features and 5 classes, whose clients disagree on what the
  label of an input is; of each client's examples those that it does not train on are its test.

The model is softmax regression. "At the minimum" means that the weights minimise the objective of
q-FFL, by L-BFGS (`personal_model`); for q = ∞ the largest loss (`minimax_weights`). The tests hold
it to long runs of `qfedsgd`. The other choice is what `qfedavg` has after `NUM_ROUNDS` rounds, one
epoch each, every client in every round. Its step size is the best of `LEARNING_RATES` at q = 0, and
stays for every q, as the paper proposes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.federated_learning import (
    Client,
    Everyone,
    Model,
    SoftmaxRegression,
    client_accuracies,
    client_gradients,
    client_losses,
    minimax_weights,
    pooled,
    qfedavg,
    synthetic,
)
from mlsys_lib.federated_learning.ditto import personal_model
from mlsys_lib.plots.federated_learning.fairness import FairnessPlot
from mlsys_lib.plots.federated_learning.outcomes import Fairness, Outcome

FAIRNESS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
NUM_ROUNDS, BATCH_SIZE = 40, 50
LEARNING_RATES = (0.1, 0.3, 0.9)
LEARNING_RATE = 0.3
NUM_EXAMPLES, PENALTY = 150, 3e-3
ANGLES = (*range(-22, 23, 4), 35, -35, 50, -50, 65, 90, -90, 180)
SIDE, BLOCK = 28, 4
WAYS = {
    "minimum": "at the minimum",
    "rounds": f"after {NUM_ROUNDS} rounds of q-FedAvg",
}
DATA = ("pictures", "synthetic")
TOLERANCE, WORST_TOLERANCE = 1e-3, 3e-3


def fairness_explorer() -> Explorer:
    """Return the explorer: q, data, and how far one has solved; every client's accuracy."""
    return Explorer(
        name="fairness",
        title="What does fairness cost, and who pays?",
        compute=fairness,
        plot=partial(FairnessPlot, FAIRNESS, len(ANGLES)),
        controls=(
            Control("data", DATA, default="pictures"),
            Control("solved", tuple(WAYS), default="minimum", format=WAYS.__getitem__),
            Control("q", FAIRNESS, default=0.0, label="fairness q", format="g"),
        ),
        describe=describe_fairness,
        table=fairness_table,
    )


def fairness(data: str, solved: str, q: float) -> Fairness:
    """Return every client's loss and accuracy for all q, one of them chosen."""
    problem = problem_of(data)
    other = "rounds" if solved == "minimum" else "minimum"
    outcomes = {way: {each: outcome(data, way, each) for each in FAIRNESS} for way in WAYS}
    order = np.argsort(outcomes["minimum"][0.0].accuracies, kind="stable")
    return Fairness(
        data=data,
        way=solved,
        way_text=WAYS[solved],
        other_text=WAYS[other],
        q=q,
        names=tuple(problem.names[i] for i in order),
        names_are=problem.names_are,
        order=tuple(order.tolist()),
        outcomes=outcomes[solved],
        others=outcomes[other],
        minimax=minimax(data),
    )


@dataclass(frozen=True, eq=False)
class Problem:
    """Clients of the same size, and what each is tested on.

    Attributes
    ----------
    model : Model
    names : tuple of str
        The angle or the number of each client.
    names_are : str
    train, test : tuple of Client
    """

    model: Model
    names: tuple[str, ...]
    names_are: str
    train: tuple[Client, ...]
    test: tuple[Client, ...]


@cache
def problem_of(data: str) -> Problem:
    """Return the clients of a data set."""
    return pictures() if data == "pictures" else drawn()


def pictures() -> Problem:
    """Return Fashion-MNIST as clients see it who hold the camera at different angles."""
    X, y, X_test, y_test = fashion_mnist()
    whole = blocks(X)
    mean, std = whole.mean(), whole.std()
    rows = np.random.default_rng(0).permutation(len(y)).reshape(len(ANGLES), -1)[:, :NUM_EXAMPLES]
    train, test = [], []
    for angle, own in zip(ANGLES, rows, strict=True):
        train.append(Client((blocks(turned(X[own], angle)) - mean) / std, y[own]))
        test.append(Client((blocks(turned(X_test, angle)) - mean) / std, y_test))
    model = SoftmaxRegression(whole.shape[1], 10, penalty=PENALTY)
    names = tuple(f"{angle}°".replace("-", "−") for angle in ANGLES)
    return Problem(model, names, "clients, by the angle of the camera", tuple(train), tuple(test))


def blocks(X: np.ndarray) -> np.ndarray:
    """Average pictures of shape (n, 784) over blocks: (n, 49)."""
    side = SIDE // BLOCK
    means: np.ndarray = X.reshape(-1, side, BLOCK, side, BLOCK).mean(axis=(2, 4))
    return means.reshape(len(X), -1)


def turned(X: np.ndarray, angle: float) -> np.ndarray:
    """Turn pictures of shape (n, 784) about their middle; a pixel takes the nearest one's value."""
    middle, radians = (SIDE - 1) / 2, np.deg2rad(angle)
    row, column = np.indices((SIDE, SIDE)) - middle
    sources = (
        np.cos(radians) * row - np.sin(radians) * column,
        np.sin(radians) * row + np.cos(radians) * column,
    )
    from_row, from_column = (np.rint(source + middle).astype(int) for source in sources)
    # One row and column of zeros more, for what lies outside of the picture.
    inside = (from_row >= 0) & (from_row < SIDE) & (from_column >= 0) & (from_column < SIDE)
    padded = np.pad(X.reshape(-1, SIDE, SIDE), ((0, 0), (0, 1), (0, 1)))
    from_row, from_column = (np.where(inside, at, SIDE) for at in (from_row, from_column))
    return np.asarray(padded[:, from_row, from_column]).reshape(len(X), -1)


def drawn() -> Problem:
    """Return the clients of synthetic(1, 1), all of one size."""
    data = synthetic(
        1, 1, num_clients=len(ANGLES), num_features=20, num_classes=5, log_size=6.0,
        log_size_std=0.0,
    )  # fmt: skip
    whole = [pooled(parts) for parts in zip(data.train, data.test, strict=True)]
    train = tuple(Client(c.X[:NUM_EXAMPLES], c.y[:NUM_EXAMPLES]) for c in whole)
    test = tuple(Client(c.X[NUM_EXAMPLES:], c.y[NUM_EXAMPLES:]) for c in whole)
    names = tuple(str(i) for i in range(len(whole)))
    return Problem(
        SoftmaxRegression(20, 5, penalty=PENALTY), names, "clients, by number", train, test
    )


@dataclass(frozen=True, eq=False)
class PowerMean:
    """(mean of F_i^(q + 1))^(1 / (q + 1)) as a model: least where q-FFL's objective is.

    It lies between the mean of the losses, at q = 0, and the largest of them, and is convex where
    they are. The examples that a model is asked about are not used.
    """

    model: Model
    clients: Sequence[Client]
    q: float

    @property
    def num_weights(self) -> int:
        """Return k."""
        return self.model.num_weights

    def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        """Return the mean of the clients' losses."""
        losses = client_losses(self.model, weights, self.clients)
        ratios = losses / losses.max()  # no power over- or underflows
        return float(losses.max() * np.mean(ratios ** (self.q + 1)) ** (1 / (self.q + 1)))

    def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return its gradient: each client's, weighted by F_i^q."""
        losses = client_losses(self.model, weights, self.clients)
        ratios = losses / losses.max()
        size = np.mean(ratios ** (self.q + 1)) ** (-self.q / (self.q + 1))
        gradients = client_gradients(self.model, weights, self.clients)
        return np.asarray(size * ratios**self.q @ gradients / len(losses))

    def predict(self, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return the model's prediction."""
        return self.model.predict(weights, X)


@cache
def minimum(data: str, q: float) -> np.ndarray:
    """Return the weights that minimise q-FFL's objective, from those of the next smaller q."""
    problem, place = problem_of(data), FAIRNESS.index(q)
    start = minimum(data, FAIRNESS[place - 1]) if place else np.zeros(problem.model.num_weights)
    objective = PowerMean(problem.model, problem.train, q)
    return personal_model(objective, problem.train[0], start, 0.0, tolerance=TOLERANCE)


@cache
def after_rounds(data: str, q: float) -> np.ndarray:
    """Return the weights of q-FedAvg after `NUM_ROUNDS` rounds from zero."""
    return run_rounds(data, q, LEARNING_RATE)


def run_rounds(data: str, q: float, learning_rate: float) -> np.ndarray:
    """Return the weights of q-FedAvg with a step size."""
    problem = problem_of(data)
    return qfedavg(
        problem.model, problem.train, np.zeros(problem.model.num_weights), fairness=q,
        num_rounds=NUM_ROUNDS, local_epochs=1, batch_size=BATCH_SIZE, learning_rate=learning_rate,
        sampling=Everyone(),
    ).final  # fmt: skip


@cache
def outcome(data: str, way: str, q: float) -> Outcome:
    """Return the clients' losses and accuracies for one q."""
    return measured(data, minimum(data, q) if way == "minimum" else after_rounds(data, q))


@cache
def minimax(data: str) -> Outcome:
    """Return the clients' losses and accuracies where the largest loss is smallest."""
    problem = problem_of(data)
    found = minimax_weights(
        problem.model, problem.train, minimum(data, FAIRNESS[-1]), tolerance=WORST_TOLERANCE
    )
    return measured(data, found.weights)


def measured(data: str, weights: np.ndarray) -> Outcome:
    """Return training losses and test accuracies, in percent, of each client."""
    problem = problem_of(data)
    return Outcome(
        losses=tuple(client_losses(problem.model, weights, problem.train).tolist()),
        accuracies=tuple((100 * client_accuracies(problem.model, weights, problem.test)).tolist()),
    )


def describe_fairness(shown: Fairness) -> str:
    """Say what this q does to the mean, the worst tenth and the spread, and who gains."""
    now, before = shown.outcome, shown.outcomes[0.0]
    end, other = shown.minimax, shown.others[shown.q]
    most, least = (f"{name} from {old:.1f} to {new:.1f} %" for name, old, new in shown.extremes)
    gain, pay = (shown.moves.count(move) for move in ("gains", "pays"))
    return (
        f"Test accuracy of each of {len(shown.names)} clients: {shown.data}, {shown.way_text}, "
        f"q = {shown.q:g}, against q = 0. {gain} gain half a point or more, {pay} pay as much; of "
        f"the {shown.names_are}, most gains {most}, most pays {least}. Mean {before.mean:.1f} → "
        f"{now.mean:.1f} %, worst tenth {before.worst_tenth:.1f} → {now.worst_tenth:.1f} %, "
        f"variance {before.variance:.0f} → {now.variance:.0f}; variance of the losses "
        f"{before.loss_variance:.3g} → {now.loss_variance:.3g}. Second panel: mean, worst tenth "
        f"and variances for every q. This q {shown.other_text} has mean {other.mean:.1f} %, worst "
        f"tenth {other.worst_tenth:.1f} %; q = ∞, the least possible largest loss, has "
        f"{end.mean:.1f} and {end.worst_tenth:.1f} %."
    )


def fairness_table(shown: Fairness) -> Table:
    """Return a row a q, and one of the minimax: mean, tenths, and variances."""
    header = (
        "q", "mean %", "worst tenth %", "best tenth %", "variance of accuracies",
        "mean loss", "largest loss", "variance of losses",
    )  # fmt: skip
    rows = [(f"{q:g}", *_numbers(found)) for q, found in shown.outcomes.items()]
    return header, [*rows, ("∞, at the minimum", *_numbers(shown.minimax))]


def _numbers(found: Outcome) -> tuple[str, ...]:
    points = (found.mean, found.worst_tenth, found.best_tenth, found.variance)
    losses = (np.mean(found.losses), max(found.losses), found.loss_variance)
    return *(f"{x:.1f}" for x in points), *(f"{x:.3g}" for x in losses)
