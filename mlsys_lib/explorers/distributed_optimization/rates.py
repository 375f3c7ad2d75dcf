"""The convergence table as runs: what each condition on f buys, in steps.

Every curve is made of runs of the cells in `mlsys_lib.distributed_optimization.rates`. Each cell
has a problem that is hard for it, and the first two rows another one for each number of steps. So
curves of different cells tell of rates, and not of one function. The bound is that of the cell.
"""

from functools import cache

import numpy as np

from mlsys_lib.distributed_optimization.cell import Cell
from mlsys_lib.distributed_optimization.rates import accelerated_cell, all_cells, fitted_slope
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.distributed_optimization.rates import (
    Curve,
    Key,
    Rates,
    RatesPlot,
    tolerance_text,
)

CONDITIONS = {
    "Lipschitz": "G-Lipschitz",
    "smooth": "L-smooth",
    "strongly convex": "L-smooth and μ-strongly convex",
}
METHODS = ("gradient descent", "SGD")
ACCELERATED = ("smooth", "accelerated")
TOLERANCES = (0.1, 0.01, 1e-3, 1e-4)
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
#: Where the runs of a cell may end earlier: an error of 10⁻⁶ is passed.
LAST_STEP = {("strongly convex", "gradient descent"): 11, ACCELERATED: 1000}
FITTED_FROM = {("strongly convex", "gradient descent"): 3}
NUM_RUNS = 5


def rates_explorer() -> Explorer:
    """Return the explorer: what f is, the method and ε; error by steps, and steps by precision."""
    return Explorer(
        name="rates",
        title="The convergence table: what does each condition buy?",
        compute=rates,
        plot=lambda: RatesPlot(all_curves()),
        controls=(
            Control("condition", tuple(CONDITIONS), default="smooth", label="f convex and"),
            Control("method", methods, default="gradient descent"),
            Control("tolerance", TOLERANCES, default=0.01, label="ε", format=tolerance_text),
        ),
        describe=describe_rates,
        table=rates_table,
    )


def methods(condition: str) -> tuple[str, ...]:
    """Return the methods whose rate is shown."""
    return (*METHODS, ACCELERATED[1]) if condition == ACCELERATED[0] else METHODS


def rates(condition: str, method: str, tolerance: float) -> Rates:
    """Return all cells, one of them chosen."""
    return Rates((condition, method), tolerance, all_curves())


def describe_rates(shown: Rates) -> str:
    """Say how fast the chosen cell is, and how many steps all of them take."""
    curve, (condition, method) = shown.curve, shown.chosen
    ends = f"{curve.errors[-1]:.2g} after {curve.steps[-1]} steps"
    share = max(np.divide(curve.errors, curve.bounds))
    needed = "; ".join(f"{', '.join(key)}: {shown.steps_text(key)}" for key in shown.curves)
    return (
        f"f convex and {CONDITIONS[condition]}, {method}. The error falls to {ends}, and is never "
        f"above {share:.0%} of the bound. Steps against 1/ε: {curve.fit}, where the table says "
        f"{curve.rate}. Steps to ε = {tolerance_text(shown.tolerance)}, to two digits: {needed}. "
        "Each cell has a problem of its own that is hard for it."
    )


def rates_table(shown: Rates) -> Table:
    """Return a row a cell: rate, fit, steps to each ε."""
    header = ("f convex and", "method", "steps by the table", "measured")
    rows = []
    for key, curve in shown.curves.items():
        needed = [Rates(key, tolerance, shown.curves).steps_text(key) for tolerance in TOLERANCES]
        rows.append((CONDITIONS[key[0]], key[1], curve.rate, curve.fit, *needed))
    return (*header, *(f"steps to {tolerance_text(tolerance)}" for tolerance in TOLERANCES)), rows


@cache
def all_curves() -> dict[Key, Curve]:
    """Return the six cells of the table and the accelerated one, each by condition and method."""
    keys = [(condition, method) for condition in CONDITIONS for method in METHODS]
    cells = dict(zip(keys, all_cells(), strict=True)) | {ACCELERATED: accelerated_cell()}
    return {key: curve(key, cell) for key, cell in cells.items()}


def curve(key: Key, cell: Cell) -> Curve:
    """Return the runs of a cell."""
    last = LAST_STEP.get(key, STEPS[-1])
    steps = list(range(1, last + 1)) if cell.exponent is None else [s for s in STEPS if s <= last]
    result = cell.measure(steps, num_runs=NUM_RUNS)
    fitted = result.steps >= FITTED_FROM.get(key, 20)
    slope = fitted_slope(
        result.steps[fitted], result.mean_errors[fitted], logarithmic=cell.exponent is None
    )
    return Curve(
        rate=cell.rate,
        exponent=cell.exponent,
        assumes=cell.condition.replace("<=", "≤"),
        slope=slope,
        steps=tuple(steps),
        errors=tuple(result.mean_errors.tolist()),
        lowest=tuple(result.errors.min(axis=0).tolist()),
        highest=tuple(result.errors.max(axis=0).tolist()),
        bounds=tuple(result.bounds.tolist()),
    )
