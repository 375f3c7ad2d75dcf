"""Loses the 2 below L R_w²."""

import math


def iterations_needed(
    kind: str,
    tolerance: float,
    radius: float,
    gradient_bound: float,
    smoothness: float,
    strong_convexity: float,
) -> int:
    if kind == "lipschitz":
        steps = (radius * gradient_bound / tolerance) ** 2
    elif kind == "smooth":
        steps = smoothness * radius**2 / tolerance
    elif smoothness == strong_convexity:
        steps = 1
    else:
        kappa = smoothness / strong_convexity
        at_the_start = smoothness * radius**2 / 2
        steps = math.log(at_the_start / tolerance) / (2 * math.log((kappa + 1) / (kappa - 1)))
    return max(1, math.ceil(steps))
