"""Counts one step more than the round has."""


def fedavg_fixed_point(
    curvatures: list[float],
    minima: list[float],
    client_weights: list[float],
    learning_rate: float,
    local_epochs: int,
) -> float:
    above = below = 0.0
    for curvature, minimum, p in zip(curvatures, minima, client_weights, strict=True):
        moved = 1 - (1 - learning_rate * curvature) ** (local_epochs + 1)
        above += p * moved * minimum
        below += p * moved
    return above / below
