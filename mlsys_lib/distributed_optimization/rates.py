"""The convergence table: how many steps until f - f* <= ε, as cells that can be run.

| f convex and …          | gradient descent | stochastic |
| ----------------------- | ---------------- | ---------- |
| G-Lipschitz             | 1/ε²             | 1/ε²       |
| L-smooth                | 1/ε              | 1/ε²       |
| and μ-strongly convex   | log 1/ε          | 1/ε        |

The table counts steps; one costs n k operations in the first column and k in the second. A step of
the first row is one along a subgradient, and what counts there is the average of the iterates.
Stochastic entries assume noise of bounded variance: where one model fits all examples, it vanishes
and they are too pessimistic. Each cell has a problem that is hard for it: in the first two rows
another one for each number of steps. `bounds` has the inequalities and their sources.

>>> cell = all_cells()[2]
>>> cell.name, cell.rate
('smooth, gradient descent', '1/ε')
>>> result = cell.measure([10, 100, 1000])
>>> result.mean_errors.round(6).tolist()
[0.02381, 0.002488, 0.00025]
>>> round(fitted_slope(result.steps, result.mean_errors), 2)
1.01
"""

from functools import partial

import numpy as np

from mlsys_lib.distributed_optimization import bounds, experiments
from mlsys_lib.distributed_optimization.cell import Cell


def all_cells() -> tuple[Cell, ...]:
    """Return the six cells, row by row: gradient descent and stochastic in turn."""
    return (*lipschitz_row(), *smooth_row(), *strongly_convex_row())


def lipschitz_row() -> tuple[Cell, Cell]:
    """Return the cells of f convex and G-Lipschitz, here with G = R_w = 1."""
    bound = partial(bounds.subgradient_bound, gradient_bound=1, radius=1)
    conditions = "f convex, {}; steps R_w/(G √T), average of the iterates"
    return (
        Cell(
            name="Lipschitz, subgradient",
            condition=conditions.format("G-Lipschitz"),
            rate="1/ε²",
            exponent=2.0,
            num_runs=1,
            bound=bound,
            run=experiments.subgradient_errors,
        ),
        Cell(
            name="Lipschitz, SGD",
            condition=conditions.format("E‖g‖² <= G²"),
            rate="1/ε²",
            exponent=2.0,
            num_runs=10,
            bound=bound,
            run=experiments.stochastic_subgradient_errors,
        ),
    )


def smooth_row() -> tuple[Cell, Cell]:
    """Return the cells of f convex and L-smooth, here with L = R_w = 1."""
    noise = experiments.NOISE
    return (
        Cell(
            name="smooth, gradient descent",
            condition="f convex, L-smooth; steps 1/L, last iterate",
            rate="1/ε",
            exponent=1.0,
            num_runs=1,
            bound=partial(bounds.gradient_descent_bound, smoothness=1, radius=1),
            run=experiments.huber_errors,
        ),
        Cell(
            name="smooth, SGD",
            condition="f convex, L-smooth, noise σ; steps 1/(L + σ √T / R_w), average of w_1 … w_T",
            rate="1/ε²",
            exponent=2.0,
            num_runs=10,
            bound=partial(bounds.smooth_sgd_bound, smoothness=1, noise=noise, radius=1),
            run=experiments.smooth_sgd_errors,
        ),
    )


def strongly_convex_row() -> tuple[Cell, Cell]:
    """Return the cells of f L-smooth and μ-strongly convex, on the quadratic of `experiments`."""
    problem, noise = experiments.bowl(), experiments.NOISE
    smoothness, mu = problem.smoothness, problem.strong_convexity
    radius, gap = float(np.linalg.norm(problem.start)), problem.value(problem.start)
    return (
        Cell(
            name="strongly convex, gradient descent",
            condition="f L-smooth, μ-strongly convex; steps 2/(L + μ), last iterate",
            rate="log 1/ε",
            exponent=None,
            num_runs=1,
            bound=partial(
                bounds.linear_bound, smoothness=smoothness, strong_convexity=mu, radius=radius
            ),
            run=experiments.linear_errors,
        ),
        Cell(
            name="strongly convex, SGD",
            condition="f L-smooth, μ-strongly convex, noise σ; steps 2/(μ (t + 2κ)), last iterate",
            rate="1/ε",
            exponent=1.0,
            num_runs=10,
            bound=partial(
                bounds.strongly_convex_sgd_bound,
                smoothness=smoothness,
                strong_convexity=mu,
                noise=noise,
                gap=gap,
            ),
            run=experiments.strongly_convex_sgd_errors,
        ),
    )


def accelerated_cell() -> Cell:
    """Return what is beyond the table: Nesterov's method in the smooth row, here L = R_w = 1."""
    return Cell(
        name="smooth, accelerated",
        condition="f convex, L-smooth; steps 1/L and momentum that grows, last iterate",
        rate="1/√ε",
        exponent=0.5,
        num_runs=1,
        bound=partial(bounds.accelerated_bound, smoothness=1, radius=1),
        run=experiments.accelerated_errors,
    )


def fitted_slope(
    iterations: np.ndarray, epsilons: np.ndarray, *, logarithmic: bool = False
) -> float:
    """Return the slope of log iterations against log 1/ε: the exponent in 1/ε^slope.

    Parameters
    ----------
    iterations, epsilons : ndarray of shape (n,), n >= 2
        After how many steps which error is reached. All above zero.
    logarithmic : bool
        Fit the iterations themselves, for the cell log 1/ε: steps for each factor e of precision.

    Notes
    -----
    Least squares. A slope says nothing about constants, and is one for ε only in the range fitted.
    """
    iterations = np.asarray(iterations, np.float64)
    epsilons = np.asarray(epsilons, np.float64)
    if iterations.ndim != 1 or iterations.shape != epsilons.shape or len(iterations) < 2:
        raise ValueError(
            "iterations and epsilons must have one shape (n,), n >= 2, "
            f"got {iterations.shape} and {epsilons.shape}"
        )
    if not (np.isfinite(iterations).all() and (iterations > 0).all()):
        raise ValueError(f"iterations must be finite and > 0, got {iterations}")
    if not (np.isfinite(epsilons).all() and (epsilons > 0).all()):
        raise ValueError(f"epsilons must be finite and > 0, got {epsilons}")
    log_precision = -np.log(epsilons)
    if np.ptp(log_precision) == 0:
        raise ValueError(f"epsilons must differ to have a slope, got {epsilons}")
    height = iterations if logarithmic else np.log(iterations)
    centred = log_precision - log_precision.mean()
    return float(centred @ height / (centred @ centred))
