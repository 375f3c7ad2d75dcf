"""Forgets the machine that is alone."""


def crossover_bytes(m: int, alpha_s: float, beta_s: float) -> float:
    levels = (m - 1).bit_length()
    more_latency_s = 2 * (m - 1 - levels) * alpha_s
    fewer_bytes = 2 * levels - 2 * (m - 1) / m
    return more_latency_s / (fewer_bytes * beta_s)
