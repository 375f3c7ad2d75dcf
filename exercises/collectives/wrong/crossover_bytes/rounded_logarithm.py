"""Rounds math.log(m, 2) up, which is a little more than 29 for 2**29."""

import math


def crossover_bytes(m: int, alpha_s: float, beta_s: float) -> float:
    levels = math.ceil(math.log(m, 2))
    if levels == 0:
        return 0.0
    more_latency_s = 2 * (m - 1 - levels) * alpha_s
    fewer_bytes = 2 * levels - 2 * (m - 1) / m
    return more_latency_s / (fewer_bytes * beta_s)
