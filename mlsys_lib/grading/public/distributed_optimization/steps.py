"""One step of gradient descent on ridge regression."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_close, expect_equal, show

Answer = Callable[..., Any]


def stepped(
    w: np.ndarray, X: np.ndarray, y: np.ndarray, penalty: float, learning_rate: float
) -> np.ndarray:
    """Return w - η (1/n Σ (x_j·w - y_j) x_j + λ w)."""
    gradient = penalty * w
    for row, target in zip(X, y, strict=True):
        gradient = gradient + (row @ w - target) / len(y) * row
    return np.asarray(w - learning_rate * gradient)


def expect_stepped(
    gradient_step: Answer,
    w: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    penalty: float,
    learning_rate: float,
    idea: str = "Against the gradient: that of the mean over the examples, and the penalty's.",
) -> None:
    """Hold an answer to `stepped`, and w to what it was."""
    handed = w.copy()
    got = gradient_step(handed, X.copy(), y.copy(), penalty, learning_rate)
    given = (
        f"w = {show(w)}, X = {show(X)}, y = {show(y)}, penalty = {penalty}, "
        f"learning_rate = {learning_rate}"
    )
    wanted = stepped(w, X, y, penalty, learning_rate)
    expect_close(got, wanted, rtol=1e-9, atol=1e-12, given=given, hint=idea)
    expect_equal(
        handed,
        w,
        given=f"{given}\nw after the call",
        hint="The old w belongs to the caller, who may still need it: return a new array.",
    )
