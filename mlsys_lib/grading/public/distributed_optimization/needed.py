"""The least number of steps for which a bound of the convergence table promises ε."""

import math
from fractions import Fraction

import numpy as np

KINDS = ("lipschitz", "smooth", "strongly_convex")
Case = tuple[str, float, float, float, float, float]
"""Kind, ε, R_w, G, L and μ: the arguments of `iterations_needed`."""


def first_promised(
    kind: str,
    tolerance: float,
    radius: float,
    gradient_bound: float,
    smoothness: float,
    strong_convexity: float,
) -> int:
    """Return the least t >= 1 at which the bound of this kind is at most `tolerance`."""
    exact = exact_steps(kind, tolerance, radius, gradient_bound, smoothness, strong_convexity)
    return max(1, math.ceil(exact))


def exact_steps(
    kind: str,
    tolerance: float,
    radius: float,
    gradient_bound: float,
    smoothness: float,
    strong_convexity: float,
) -> Fraction | float:
    """Return the t, not rounded, at which the bound is `tolerance`."""
    numbers = (tolerance, radius, gradient_bound, smoothness, strong_convexity)
    eps, distance, slope, curvature, least = map(Fraction, numbers)
    if kind == "lipschitz":
        return (distance * slope / eps) ** 2
    if kind == "smooth":
        return curvature * distance**2 / (2 * eps)
    at_the_start = curvature * distance**2 / (2 * eps)
    if curvature == least:
        return 1.0
    shrinks = (curvature + least) / (curvature - least)
    return math.log(at_the_start) / (2 * math.log(shrinks))


def draw_case(rng: np.random.Generator, kind: str) -> Case:
    """Draw numbers at which no rounding decides, and at most some ten thousand steps are needed."""
    while True:
        tolerance, radius = float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.5, 3))
        gradient_bound, smoothness = float(rng.uniform(0.5, 9)), float(rng.uniform(10, 60))
        case = (kind, tolerance, radius, gradient_bound, smoothness, float(rng.uniform(0.1, 2)))
        steps = float(exact_steps(*case))
        if 2 < steps < 20_000 and 0.01 < steps % 1 < 0.99:
            return case


def draw_tie(rng: np.random.Generator, kind: str) -> Case:
    """Draw powers of two at which a bound is met exactly: "lipschitz" or "smooth"."""
    tolerance, radius, gradient_bound = (2.0 ** -int(k) for k in (4, *rng.integers(-2, 1, 2)))
    return kind, tolerance, radius, gradient_bound, 2.0 ** int(rng.integers(4, 7)), 0.5


def describe(case: Case) -> str:
    """Say what `iterations_needed` was given."""
    names = ("tolerance", "radius", "gradient_bound", "smoothness", "strong_convexity")
    numbers = ", ".join(f"{n} = {v:g}" for n, v in zip(names, case[1:], strict=True))
    return f'kind = "{case[0]}", {numbers}'
