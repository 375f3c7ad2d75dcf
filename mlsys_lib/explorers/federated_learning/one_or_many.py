"""One model or many: global, local, Ditto and MOCHA by examples of a client and by similarity.

Linear regression with `NUM_FEATURES` weights. Client i draws its true weights

    w_i = √s · shared ± √(1 - s) · own_i,    E‖own_i‖² = ‖shared‖² = LENGTH²,

so that s, the similarity, is the mean of w_i·w_j / LENGTH². In two camps every other client has the
opposite of `shared`. Inputs are standard normal; targets have noise of standard deviation `NOISE`.

Every method is that of `mlsys_lib.federated_learning.local_models`, which solves it exactly and
takes the best of seven settings by 20 further examples of each client. The error is the squared
distance of a client's weights from its true ones, which is the squared error on its test data above
the noise; it is the mean of the clients, in multiples of LENGTH², so that 1 is knowing nothing. The
other methods are compared with local models draw by draw: a ratio is the median of `NUM_SEEDS`
draws. The first of them is drawn, with two of its weights.
"""

from functools import cache, partial

import numpy as np

from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.federated_learning.local_models import METHODS, NUM_VALIDATION, fitted
from mlsys_lib.plots.federated_learning.one_or_many import (
    NAMES,
    Comparison,
    OneOrManyPlot,
)

SIZES = (5, 10, 20, 50, 200)
SIMILARITIES = (0.0, 0.5, 0.9, 1.0)
CAMPS = {"crowd": "one crowd", "camps": "two opposed camps"}
NUM_CLIENTS, NUM_FEATURES, NUM_SEEDS = 10, 5, 9
LENGTH, NOISE = 2.0, 2.0


def one_or_many_explorer() -> Explorer:
    """Return the explorer: clients, similarity, examples; errors of four methods, and weights."""
    return Explorer(
        name="one-or-many",
        title="One model for all, one for each, or something between?",
        compute=one_or_many,
        plot=partial(OneOrManyPlot, SIZES),
        controls=(
            Control("clients", tuple(CAMPS), default="crowd", format=CAMPS.__getitem__),
            Control("similarity", SIMILARITIES, default=0.9, format="g"),
            Control("size", SIZES, default=20, label="examples a client"),
        ),
        describe=describe_one_or_many,
        table=one_or_many_table,
    )


def one_or_many(clients: str, similarity: float, size: int) -> Comparison:
    """Return the errors for all sizes, and what was learned from one of them."""
    errors = all_errors(clients, similarity)
    local = errors[:, :, METHODS.index("local")]
    ratios = np.median(errors / local[:, :, None], axis=0)
    truth, X, y = draw(clients, similarity, seed=0)
    found = learned(X, y, size)
    return Comparison(
        clients=CAMPS[clients],
        similarity=similarity,
        size=size,
        sizes=SIZES,
        local=tuple(np.median(local, axis=0).tolist()),
        ratios={name: tuple(ratios[:, i].tolist()) for i, name in enumerate(METHODS)},
        truth=truth[:, :2],
        learned={name: weights[:, :2] for name, weights in found.items()},
    )


@cache
def all_errors(clients: str, similarity: float) -> np.ndarray:
    """Return the errors of each seed, size and method, of shape (seeds, sizes, methods)."""
    errors = np.empty((NUM_SEEDS, len(SIZES), len(METHODS)))
    for seed in range(NUM_SEEDS):
        truth, X, y = draw(clients, similarity, seed)
        for column, size in enumerate(SIZES):
            found = learned(X, y, size)
            errors[seed, column] = [error(found[name], truth) for name in METHODS]
    return errors


def draw(clients: str, similarity: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true weights (m, d), and inputs (m, n, d) and targets (m, n), validation first.

    A seed has the same numbers for all similarities, and for a crowd and camps.
    """
    rng, m, d = np.random.default_rng(seed), NUM_CLIENTS, NUM_FEATURES
    own = LENGTH / np.sqrt(d) * rng.standard_normal((m, d))
    X = rng.standard_normal((m, NUM_VALIDATION + max(SIZES), d))
    noise = NOISE * rng.standard_normal(X.shape[:2])
    shared = np.zeros((m, d))
    shared[:, 0] = LENGTH
    if clients == "camps":
        shared[1::2] *= -1
    truth = np.sqrt(similarity) * shared + np.sqrt(1 - similarity) * own
    return truth, X, np.einsum("mnd,md->mn", X, truth) + noise


def learned(X: np.ndarray, y: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Return the weights of each method from the first `size` examples after the validation."""
    held, used = slice(NUM_VALIDATION), slice(NUM_VALIDATION, NUM_VALIDATION + size)

    def choose(candidates: np.ndarray) -> np.ndarray:
        guesses = np.einsum("mnd,smd->smn", X[:, held], candidates)
        losses = ((guesses - y[:, held]) ** 2).mean(axis=(1, 2))
        return np.asarray(candidates[losses.argmin()])

    return fitted(X[:, used], y[:, used], choose)


def error(weights: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean squared distance of the clients, in multiples of LENGTH²."""
    return float(((weights - truth) ** 2).sum(axis=1).mean()) / LENGTH**2


def describe_one_or_many(shown: Comparison) -> str:
    """Say all four errors here, and who is best at each number of examples."""
    here = ", ".join(
        f"{NAMES[name]} {ratio:.2g}" for name, ratio in shown.here.items() if name != "local"
    )
    best = "; ".join(
        f"{size}: {shown.names_of_best(place)}" for place, size in enumerate(shown.sizes)
    )
    return (
        f"Error of a client's model against examples a client, {shown.clients} of "
        f"{len(shown.truth)} clients, similarity {shown.similarity:g}. With {shown.size} examples "
        f"local models have {shown.local[shown.place]:.2g}, where 1 is knowing nothing; in "
        f"multiples of that, {here}. Best, or within a tenth of it, by examples: {best}. Second "
        f"panel: two of each client's {NUM_FEATURES} weights in one draw, the true ones, the "
        f"global model, and by lines from the true ones the local models and "
        f"{NAMES[shown.between]}."
    )


def one_or_many_table(shown: Comparison) -> Table:
    """Return a row a number of examples: local's error, the others as multiples, and the best."""
    others = [name for name in METHODS if name != "local"]
    header = (
        "examples a client",
        "error of local",
        *(f"{NAMES[name]} ÷ local" for name in others),
        "best",
    )
    rows = [
        (
            size,
            f"{shown.local[place]:.3g}",
            *(f"{shown.ratios[name][place]:.2f}" for name in others),
            shown.names_of_best(place),
        )
        for place, size in enumerate(shown.sizes)
    ]
    return header, rows
