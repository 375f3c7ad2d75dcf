"""Rates of AdaGrad, steps of Adam and points of Nesterov's method, one formula after the other."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]
State = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Weights w, average u of gradients, average v of their squares."""


# -- AdaGrad ---------------------------------------------------------------------------------------
def rates_of(gradients: np.ndarray, learning_rate: float, eps: float) -> np.ndarray:
    """Return η / (√(sum of squares so far) + ε₀) for each step and coordinate."""
    rates = np.empty(gradients.shape)
    squares = np.zeros(gradients.shape[1])
    for t, gradient in enumerate(gradients):
        squares = squares + gradient**2
        rates[t] = learning_rate / (np.sqrt(squares) + eps)
    return rates


def expect_rates(
    adagrad_rates: Answer,
    gradients: np.ndarray,
    learning_rate: float,
    eps: float,
    idea: str = "Each coordinate has its own sum of squares, over all its gradients up to this "
    "step and with it; the rate divides by the root of that sum plus eps.",
) -> None:
    """Hold rates to `rates_of`, and what they were made from."""
    handed = gradients.copy()
    got = adagrad_rates(handed, learning_rate, eps)
    given = f"gradients {show(gradients)}, learning_rate = {learning_rate}, eps = {eps}"
    expect_close(got, rates_of(gradients, learning_rate, eps), given=given, hint=idea)
    expect_untouched(handed, gradients, f"{given}; the gradients after the call")


# -- Adam ------------------------------------------------------------------------------------------
def stepped(
    state: State,
    gradient: np.ndarray,
    t: int,
    learning_rate: float,
    decays: tuple[float, float],
    eps: float,
) -> State:
    """Return the state after step `t`, counted from 1: algorithm 1 of Kingma & Ba, line by line."""
    w, u, v = state
    first, second = decays
    u = first * u + (1 - first) * gradient
    v = second * v + (1 - second) * gradient**2
    corrected_u, corrected_v = u / (1 - first**t), v / (1 - second**t)
    return w - learning_rate * corrected_u / (np.sqrt(corrected_v) + eps), u, v


def expect_adam(
    adam_step: Answer,
    state: State,
    gradient: np.ndarray,
    t: int,
    learning_rate: float,
    decays: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    idea: str = "Divide u by 1 - δ₁ᵗ and v by 1 - δ₂ᵗ, and add ε₀ to the root of the second.",
) -> State:
    """Hold one step to `stepped`, and return the state after it."""
    settings = (t, learning_rate, decays, eps)
    wanted = stepped(state, gradient, *settings)
    w, u, v = handed = tuple(array.copy() for array in state)
    own_gradient = gradient.copy()
    got = adam_step(w, own_gradient, u, v, *settings)
    given = (
        f"w = {show(state[0])}, g = {show(gradient)}, u = {show(state[1])}, v = {show(state[2])}, "
        f"t = {t}, learning_rate = {learning_rate}, decays = {decays}, eps = {eps}"
    )
    expect_equal(
        (type(got).__name__, len(got) if type(got) is tuple else 0),
        ("tuple", 3),
        given=f"{given}; the type and the length of what it returns",
        hint="Return (w, u, v).",
    )
    averages = (
        "u keeps the share decays[0] of itself, v keeps decays[1], and what is new in them are g "
        "and g squared. They are returned as they are: only the step uses corrected ones."
    )
    for word, mine, new in zip("uv", got[1:], wanted[1:], strict=True):
        expect_close(mine, new, atol=1e-300, given=f"{given}; the new {word}", hint=averages)
    expect_close(got[0], wanted[0], rtol=1e-10, given=f"{given}; the new w", hint=idea)
    after = f"{given}; what was handed over, after the call"
    for mine, old in zip((*handed, own_gradient), (*state, gradient), strict=True):
        expect_untouched(mine, old, after)
    return wanted


# -- Nesterov --------------------------------------------------------------------------------------
def path_of(
    hessian: np.ndarray, w0: np.ndarray, learning_rate: float, momentum: float, num_steps: int
) -> np.ndarray:
    """Return w_0 to w_T, a row each; the gradient at w is ``hessian @ w``."""
    path = [w0, w0]  # w_{-1} and w_0
    for _ in range(num_steps):
        ahead = path[-1] + momentum * (path[-1] - path[-2])
        path.append(ahead - learning_rate * hessian @ ahead)
    return np.array(path[1:])


def expect_path(
    nesterov_path: Answer,
    hessian: np.ndarray,
    w0: np.ndarray,
    settings: tuple[float, float, int],
    idea: str = "Go ahead with the momentum first, ask for the gradient there, and step from "
    "there. The path holds the w_t, and not the points ahead.",
) -> None:
    """Hold a path to `path_of`; `settings` are learning rate, momentum and number of steps."""
    handed = (hessian.copy(), w0.copy())
    got = nesterov_path(*handed, *settings)
    names = ("learning_rate", "momentum", "num_steps")
    told = ", ".join(f"{name} = {value}" for name, value in zip(names, settings, strict=True))
    given = f"hessian {show(hessian)}, w0 = {show(w0)}, {told}"
    expect_close(got, path_of(hessian, w0, *settings), atol=1e-12, given=given, hint=idea)
    expect_untouched(handed[1], w0, f"{given}; w0 after the call")


def expect_untouched(handed: np.ndarray, old: np.ndarray, given: str) -> None:
    """Hold what an answer was handed to what it was."""
    expect_equal(
        handed,
        old,
        given=given,
        hint="Return new arrays: `x += y` and `x -= y` change the caller's.",
    )
