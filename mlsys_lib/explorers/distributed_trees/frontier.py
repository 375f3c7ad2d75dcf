"""Accuracy against bytes, in runs of PLANET, of Yggdrasil and of voting parallel on real images.

The images are those of `fashion_mnist`, pooled to 7 by 7 pixels. Each tree is grown to every depth
by a run of its own, and the bytes are those of its ledger. They are what growing sends: the bins
are cut beforehand, from all rows, and the columns of Yggdrasil lie where they are needed.
"""

from functools import cache

import numpy as np

from mlsys_lib.comm import Run, simulate
from mlsys_lib.core.units import format_bytes, format_count
from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.distributed_trees import Gini, exact_bins, planet_tree, voting_tree, yggdrasil_tree
from mlsys_lib.distributed_trees.dealing import deal_columns, deal_rows
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.collectives import round_to_two_digits
from mlsys_lib.plots.distributed_trees import Frontier, FrontierPlot, Setting

STRATEGIES = ("PLANET", "voting", "Yggdrasil")
BINS = (4, 16, 64)
WORKERS = (2, 4, 8)
LEVELS = 5
TOP_K = 2
_POOL = 4  # pixels a side
_CRITERION = Gini(10)


def frontier_explorer() -> Explorer:
    """Return the explorer: strategy, bins and ranks; accuracy for bytes, and bytes by level."""
    return Explorer(
        name="frontier",
        title="The frontier: what does a byte buy?",
        compute=frontier,
        plot=lambda: FrontierPlot(all_settings()),
        controls=(
            Control("strategy", STRATEGIES, default="PLANET"),
            Control("bins", BINS, default=16),
            Control("workers", WORKERS, default=4, label="ranks"),
        ),
        describe=describe_frontier,
        table=frontier_table,
    )


def frontier(strategy: str, bins: int, workers: int) -> Frontier:
    """Return one setting among all."""
    X, *_, y_test = images()
    return Frontier(
        chosen=setting(strategy, 0 if strategy == "Yggdrasil" else bins, workers),
        bins=bins,
        settings=all_settings(),
        table_bytes=(workers - 1) * X.nbytes,
        num_test=len(y_test),
    )


def describe_frontier(shown: Frontier) -> str:
    """Say what the setting sends and gets right, and how it stands among its rivals."""
    chosen, rivals = shown.chosen, shown.rivals
    bins = (
        f"{chosen.bins} bins"
        if chosen.bins
        else f"no bins (the slider, at {shown.bins}, is not used)"
    )
    least = min(rivals, key=lambda rival: rival.sent_bytes[-1])
    if chosen is least:
        place = f"the least of {len(rivals)} settings with as many ranks"
    else:
        times = chosen.sent_bytes[-1] / least.sent_bytes[-1]
        shown_times = format_count(round_to_two_digits(times)) if times >= 10 else f"{times:.2g}"
        place = (
            f"{shown_times} times as much as {least.name}, which gets {least.right[-1]:.1%} right"
        )
    low, high = (f(rival.right[-1] for rival in rivals) for f in (min, max))
    return (
        f"{chosen.strategy} with {bins} on {chosen.workers} ranks. After {LEVELS} levels the tree "
        f"names {chosen.right[-1]:.1%} of {format_count(shown.num_test)} test images right, and "
        f"{format_bytes(chosen.sent_bytes[-1])} were sent: {place}. All {len(rivals)} settings lie "
        f"between {low:.1%} and {high:.1%}; the standard error of a share is "
        f"{shown.standard_error:.1%}. To send all rows to all ranks takes "
        f"{format_bytes(shown.table_bytes)}."
    )


def frontier_table(shown: Frontier) -> Table:
    """Return a row a setting with as many ranks: bytes of each level, all bytes, share right."""
    header = (
        "setting",
        *(f"level {level} (bytes)" for level in range(1, LEVELS + 1)),
        "all",
        "right",
    )
    rows = [
        (rival.name, *rival.level_bytes, rival.sent_bytes[-1], f"{rival.right[-1]:.1%}")
        for rival in sorted(shown.rivals, key=lambda rival: rival.sent_bytes[-1])
    ]
    return header, rows


@cache
def all_settings() -> tuple[Setting, ...]:
    """Return every setting once; Yggdrasil has no bins."""
    return tuple(
        setting(strategy, bins, workers)
        for workers in WORKERS
        for strategy in STRATEGIES
        for bins in ((0,) if strategy == "Yggdrasil" else BINS)
    )


@cache
def setting(strategy: str, bins: int, workers: int) -> Setting:
    """Grow trees of 1 … `LEVELS` levels, and count."""
    *_, X_test, y_test = images()
    runs = [grow(strategy, bins, workers, depth) for depth in range(1, LEVELS + 1)]
    right = [
        float((run.results[0].predict(X_test).argmax(axis=1) == y_test).mean()) for run in runs
    ]
    sent_bytes = tuple(run.ledger.total_bytes for run in runs)
    return Setting(strategy, bins, workers, sent_bytes, tuple(right))


def grow(strategy: str, bins: int, workers: int, depth: int) -> Run:
    """Grow a tree on simulated ranks; rows, or columns, are dealt out in turns."""
    X, y, *_ = images()
    stats = _CRITERION.encode(y, np.ones(len(y)))  # whole numbers, and so on a grid already
    if strategy == "Yggdrasil":
        own, features = deal_columns(workers, X)
        return simulate(yggdrasil_tree, workers, own, stats, features, _CRITERION, depth)
    cuts = exact_bins(X, bins)
    shared = (*deal_rows(workers, cuts.encode(X), stats), cuts, _CRITERION, depth)
    if strategy == "PLANET":
        return simulate(planet_tree, workers, *shared)
    return simulate(voting_tree, workers, *shared, top_k=TOP_K)


@cache
def images() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return X of shape (n, 49) and y to train on, and the same to test on."""
    X, y, X_test, y_test = fashion_mnist()
    return _pooled(X), y, _pooled(X_test), y_test


def _pooled(X: np.ndarray) -> np.ndarray:
    """Return the means of squares of pixels."""
    side = 28 // _POOL
    return X.reshape(-1, side, _POOL, side, _POOL).mean(axis=(2, 4)).reshape(len(X), -1)
