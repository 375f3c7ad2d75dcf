"""Takes log2(m) as it is: a tree over six machines gets 2.58 levels."""

import math


def crossover_bytes(m: int, alpha_s: float, beta_s: float) -> float:
    levels = math.log2(m)
    if levels == 0:
        return 0.0
    more_latency_s = 2 * (m - 1 - levels) * alpha_s
    fewer_bytes = 2 * levels - 2 * (m - 1) / m
    return more_latency_s / (fewer_bytes * beta_s)
