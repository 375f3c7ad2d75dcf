"""Measure the trees: `python -m benchmarks.trees`; figures go to benchmarks/results/trees.json.

One thread each, in turns, medians of ratios. The table has 100 000 rows and 20 columns (Friedman's
first function with noise), the tree 6 levels and 256 bins. The wide table has 2 000 columns.
"""

import importlib.util
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from benchmarks.comm.__main__ import machine
from benchmarks.report import report
from mlsys_lib.comm import simulate
from mlsys_lib.distributed_trees import (
    Tree,
    Variance,
    exact_bins,
    grow_exact_tree,
    grow_histogram_tree,
    on_grid,
    planet_tree,
    steps,
    yggdrasil_tree,
)
from mlsys_lib.distributed_trees.cost import (
    full_levels,
    planet_bytes,
    planet_memory_bytes,
    yggdrasil_bytes,
)
from mlsys_lib.distributed_trees.dealing import deal_columns, deal_rows

ROWS, COLUMNS, DEPTH, BINS, REPEAT = 100_000, 20, 6, 256, 7
WIDE_COLUMNS, WIDE_DEPTH, RANKS = 2_000, 5, 4
GOALS = {
    "histogram_binned_to_xgboost_binned_ratio": 8.0,
    "histogram_to_scikit_histogram_ratio": 1.0,
    "exact_to_scikit_exact_ratio": 2.0,
    "wide_yggdrasil_to_planet_bytes_ratio": 1e-3,
}
XGBOOST = importlib.util.find_spec("xgboost") is not None
CRITERION = Variance()


def friedman(num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return X of shape (n, 20) in [0, 1) and y, of which five columns tell something."""
    rng = np.random.default_rng(seed)
    X = rng.random((num_rows, COLUMNS)).astype(np.float32).astype(np.float64)
    bend = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2
    return X, bend + 10 * X[:, 3] + 5 * X[:, 4] + rng.normal(size=num_rows)


def statistics(y: np.ndarray) -> np.ndarray:
    """Return the rows' statistics, on a grid."""
    stats = CRITERION.encode(y, np.ones(len(y)))
    return on_grid(stats, steps(np.abs(stats).max(axis=0), len(stats)))


def histogram_tree(X: np.ndarray, y: np.ndarray) -> Tree:
    """Bin, and grow."""
    bins = exact_bins(X, BINS)
    return grow_histogram_tree(bins.encode(X), statistics(y), bins, CRITERION, DEPTH)


def in_turns(functions: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return the seconds of several functions that take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(REPEAT):
        for name, function in functions.items():
            start_s = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start_s)
    return seconds


def measure_time() -> dict[str, float]:
    """Return seconds, and ours as multiples of the peers'."""
    X, y = friedman(ROWS, 0)
    bins = exact_bins(X, BINS)
    codes, stats = bins.encode(X), statistics(y)
    functions: dict[str, Callable[[], object]] = {
        "histogram_binned": lambda: grow_histogram_tree(codes, stats, bins, CRITERION, DEPTH),
        "histogram": lambda: histogram_tree(X, y),
        "scikit_histogram": lambda: scikit_histogram().fit(X, y),
        "exact": lambda: grow_exact_tree(X, statistics(y), CRITERION, DEPTH),
        "scikit_exact": lambda: DecisionTreeRegressor(max_depth=DEPTH).fit(X, y),
    }
    if XGBOOST:
        import xgboost

        matrix = xgboost.QuantileDMatrix(X, y, max_bin=BINS)
        functions["xgboost_binned"] = lambda: xgboost.train(xgboost_options(), matrix, 1)
    seconds = in_turns(functions)
    found = {f"{name}_s": median(times) for name, times in seconds.items()}
    for ours, peer in (
        ("histogram_binned", "xgboost_binned"),
        ("histogram", "scikit_histogram"),
        ("exact", "scikit_exact"),
    ):
        if peer in seconds:
            ratios = [a / b for a, b in zip(seconds[ours], seconds[peer], strict=True)]
            found[f"{ours}_to_{peer}_ratio"] = median(ratios)
    return found


def scikit_histogram() -> HistGradientBoostingRegressor:
    """Return what fits one histogram tree; 255 is its largest number of bins."""
    return HistGradientBoostingRegressor(
        max_iter=1, learning_rate=1, max_leaf_nodes=None, max_depth=DEPTH, min_samples_leaf=1,
        max_bins=255, early_stopping=False,
    )  # fmt: skip


def xgboost_options() -> dict[str, object]:
    """Return what makes XGBoost grow one plain histogram tree."""
    return {
        "tree_method": "hist", "max_depth": DEPTH, "eta": 1, "reg_lambda": 0,
        "min_child_weight": 0, "max_bin": BINS, "nthread": 1,
    }  # fmt: skip


def measure_error() -> dict[str, float]:
    """Return mean squared errors on rows that no tree has seen."""
    X, y = friedman(ROWS, 0)
    X_test, y_test = friedman(ROWS, 1)
    predictions = {
        "histogram": histogram_tree(X, y).predict(X_test)[:, 0],
        "exact": grow_exact_tree(X, statistics(y), CRITERION, DEPTH).predict(X_test)[:, 0],
        "scikit_histogram": scikit_histogram().fit(X, y).predict(X_test),
        "scikit_exact": DecisionTreeRegressor(max_depth=DEPTH).fit(X, y).predict(X_test),
    }
    if XGBOOST:
        import xgboost

        matrix = xgboost.QuantileDMatrix(X, y, max_bin=BINS)
        model = xgboost.train(xgboost_options(), matrix, 1)
        predictions["xgboost"] = model.predict(xgboost.DMatrix(X_test))
    return {f"{name}_error": float(((p - y_test) ** 2).mean()) for name, p in predictions.items()}


def measure_bytes() -> dict[str, float]:
    """Return bytes of runs on 4 simulated ranks as multiples of the closed forms."""
    X, y = friedman(ROWS, 0)
    bins, stats = exact_bins(X, BINS), statistics(y)
    codes = bins.encode(X)
    own = deal_rows(RANKS, codes, stats)
    run = simulate(planet_tree, RANKS, *own, bins, CRITERION, DEPTH)
    levels = full_levels(DEPTH, subtract=True)
    planet = planet_bytes(levels, COLUMNS, bins.num_slots, CRITERION.width, RANKS)
    tracemalloc.start()
    grow_histogram_tree(codes, stats, bins, CRITERION, DEPTH)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    memory = planet_memory_bytes(ROWS, COLUMNS, bins.num_slots, CRITERION.width, DEPTH)
    return {
        "planet_bytes_to_formula_ratio": run.ledger.total_bytes / planet,
        "planet_memory_to_formula_ratio": peak_bytes / memory,
    }


def measure_wide() -> dict[str, float]:
    """Return what both send for a table of many columns, each of which has 255 values."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (ROWS, WIDE_COLUMNS)).astype(np.float64)
    y = X[:, :7] @ rng.normal(size=7) / 100 + rng.normal(size=ROWS)
    stats, (shards, features) = statistics(y), deal_columns(RANKS, X)
    run = simulate(yggdrasil_tree, RANKS, shards, stats, features, CRITERION, WIDE_DEPTH)
    tree, yggdrasil = run.results[0], run.ledger.total_bytes
    form = yggdrasil_form(tree, list(features.values))
    bins = exact_bins(X, BINS)
    codes = bins.encode(X)
    own = deal_rows(RANKS, codes, stats)
    planet = simulate(planet_tree, RANKS, *own, bins, CRITERION, WIDE_DEPTH).ledger.total_bytes
    return {
        "wide_planet_bytes": planet,
        "wide_yggdrasil_bytes": yggdrasil,
        "wide_yggdrasil_to_planet_bytes_ratio": yggdrasil / planet,
        "yggdrasil_bytes_to_formula_ratio": yggdrasil / form,
    }


def yggdrasil_form(tree: Tree, columns: list[np.ndarray]) -> int:
    """Return the closed form for a tree: which rank owns each winner, and of how many rows."""
    nodes = [int((tree.depth == d).sum()) for d in range(WIDE_DEPTH)]
    rows = [
        [
            int(tree.stats[(tree.depth == d) & np.isin(tree.feature, own), 0].sum())
            for own in columns
        ]
        for d in range(WIDE_DEPTH)
    ]
    return yggdrasil_bytes(nodes, rows, CRITERION.width, RANKS)


def main() -> None:
    """Take every measurement, print it, and write it down."""
    facts = machine()
    with threadpool_limits(1):
        figures = {**measure_time(), **measure_error(), **measure_bytes(), **measure_wide()}
    report("trees", facts, GOALS, figures)


if __name__ == "__main__":
    main()
