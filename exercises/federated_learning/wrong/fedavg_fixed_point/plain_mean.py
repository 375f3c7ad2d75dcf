"""Gives every client the same say."""


def fedavg_fixed_point(
    curvatures: list[float],
    minima: list[float],
    client_weights: list[float],
    learning_rate: float,
    local_epochs: int,
) -> float:
    above = below = 0.0
    for curvature, minimum in zip(curvatures, minima, strict=True):
        moved = 1 - (1 - learning_rate * curvature) ** local_epochs
        above += moved * minimum
        below += moved
    return above / below
