"""Runs ten rounds from 0 and takes that for the end."""


def fedavg_fixed_point(
    curvatures: list[float],
    minima: list[float],
    client_weights: list[float],
    learning_rate: float,
    local_epochs: int,
) -> float:
    w = 0.0
    for _ in range(10):
        mean = 0.0
        for curvature, minimum, p in zip(curvatures, minima, client_weights, strict=True):
            mean += p * (minimum + (1 - learning_rate * curvature) ** local_epochs * (w - minimum))
        w = mean
    return w
