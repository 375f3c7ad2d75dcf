"""What clients do on their own: their steps, where these lead, and how they differ."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]
Clients = tuple[list[float], list[float], list[float]]
"""Curvatures L_i, minima w_i⋆ and weights p_i."""


# -- local_steps -----------------------------------------------------------------------------------
def trained(
    w_global: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    learning_rate: float,
    num_steps: int,
    proximal_weight: float,
) -> np.ndarray:
    """Return the weights after steps down the mean of (x·w - y)²/2 plus λ/2 ‖w - w_t‖²."""
    moved = np.zeros(len(w_global))
    for _ in range(num_steps):
        slope = proximal_weight * moved
        for x, target in zip(X, y, strict=True):
            slope = slope + (x @ (w_global + moved) - target) / len(y) * x
        moved = moved - learning_rate * slope
    return w_global + moved


def expect_trained(
    local_steps: Answer,
    w_global: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    settings: tuple[float, int, float],
    idea: str = "Each step goes down the mean loss plus λ/2 ‖w - w_t‖², and w_t stays the weights "
    "that were received.",
) -> None:
    """Hold steps to `trained`; `settings` are η, the number of steps, and λ."""
    handed = w_global.copy()
    got = local_steps(handed, X.copy(), y.copy(), *settings)
    names = ("learning_rate", "num_steps", "proximal_weight")
    told = ", ".join(f"{name} = {value}" for name, value in zip(names, settings, strict=True))
    given = f"w_global = {show(w_global)}, X = {show(X)}, y = {show(y)}, {told}"
    wanted = trained(w_global, X, y, *settings)
    expect_close(got, wanted, rtol=1e-8, atol=1e-10, given=given, hint=idea)
    expect_equal(
        handed,
        w_global,
        given=f"{given}; w_global after the call",
        hint="The leash ends at w_global: `w -= …` on the same array moves its end too. Make a "
        "new one.",
    )


# -- fedavg_fixed_point ----------------------------------------------------------------------------
def after_a_round(w: float, clients: Clients, learning_rate: float, local_epochs: int) -> float:
    """Return Σ p_i w_i after each client's E steps from w: a round of FedAvg, step by step."""
    mean = 0.0
    for curvature, minimum, p in zip(*clients, strict=True):
        own = w
        for _ in range(local_epochs):
            own -= learning_rate * curvature * (own - minimum)
        mean += p * own
    return mean


def resting_point(clients: Clients, learning_rate: float, local_epochs: int) -> float:
    """Return the w that a round leaves as it is; a round is a line, and two of its points tell."""
    start = after_a_round(0.0, clients, learning_rate, local_epochs)
    slope = after_a_round(1.0, clients, learning_rate, local_epochs) - start
    return start / (1 - slope)


def own_clients(rng: np.random.Generator) -> tuple[Clients, float, int]:
    """Draw a student's own two clients, η and E, as the notebook's cell does."""
    curvatures = [1.0, float(rng.integers(4, 9))]
    minima: list[float] = rng.choice(np.arange(1, 10), 2, replace=False).astype(float).tolist()
    client_weights = rng.permutation([0.25, 0.75]).tolist()
    return (curvatures, minima, client_weights), 1 / 16, int(rng.integers(4, 11))


def expect_at_rest(
    fedavg_fixed_point: Answer,
    clients: Clients,
    learning_rate: float,
    local_epochs: int,
    idea: str = "After E steps client i is the share 1 - (1 - η L_i)^E of the way nearer to its "
    "own minimum. FedAvg stands still where these moves, weighed by p_i, cancel.",
) -> None:
    """Hold a fixed point to `resting_point`."""
    got = fedavg_fixed_point(*(list(part) for part in clients), learning_rate, local_epochs)
    names = ("curvatures", "minima", "client_weights")
    told = ", ".join(f"{name} = {show(part)}" for name, part in zip(names, clients, strict=True))
    given = f"{told}, learning_rate = {learning_rate:g}, local_epochs = {local_epochs}"
    wanted = resting_point(clients, learning_rate, local_epochs)
    expect_close(got, wanted, rtol=1e-6, atol=1e-9, given=given, hint=idea)


# -- dissimilarity ---------------------------------------------------------------------------------
def spread_of(gradients: np.ndarray, client_weights: Sequence[float]) -> float:
    """Return B: the root of Σ p_i ‖g_i‖² over ‖Σ p_i g_i‖²; 0/0 is 1 and x/0 is infinite."""
    above, mean = 0.0, np.zeros(gradients.shape[1])
    for gradient, p in zip(gradients, client_weights, strict=True):
        above += p * float(gradient @ gradient)
        mean = mean + p * gradient
    below = float(mean @ mean)
    if below == 0:
        return math.inf if above else 1.0
    return math.sqrt(above / below)


def expect_spread(
    dissimilarity: Answer,
    gradients: np.ndarray,
    client_weights: Sequence[float],
    idea: str = "Square each client's norm, weigh by p_i, and divide by the square of the norm of "
    "the weighted gradient. Then the root.",
) -> None:
    """Hold a dissimilarity to `spread_of`."""
    got = dissimilarity(gradients.copy(), np.array(client_weights))
    given = f"gradients = {show(gradients)}, client_weights = {list(client_weights)}"
    expect_close(
        got, spread_of(gradients, client_weights), rtol=1e-9, atol=0.0, given=given, hint=idea
    )
