"""Rounds to a whole number of bytes, which nobody asked for."""


def crossover_bytes(m: int, alpha_s: float, beta_s: float) -> float:
    levels = (m - 1).bit_length()
    if levels == 0:
        return 0.0
    more_latency_s = 2 * (m - 1 - levels) * alpha_s
    fewer_bytes = 2 * levels - 2 * (m - 1) / m
    return round(more_latency_s / (fewer_bytes * beta_s))
