"""What `mlsys_lib.grading` is in the sandbox: cells written for a notebook run here unchanged."""

import importlib
from typing import Any

from mlsys_lib.grading.variants import variant

__all__ = ["check", "progress", "variant"]
_ELSEWHERE = {
    "Mismatch": "expect", "expect": "expect", "expect_close": "expect", "expect_equal": "expect",
    "on_ranks": "ranks", "secret_rng": "context",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what cells of a learner's own may ask for: no worker needs it before."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for known, module in _ELSEWHERE.items():  # all, since `expect` is a module too
        globals()[known] = getattr(importlib.import_module(f"mlsys_lib.grading.{module}"), known)
    return globals()[name]


def check(exercise: str, *answers: object, **more_answers: object) -> None:
    """Say that the tests run elsewhere."""
    print(f"{exercise}: checked when this is graded")


def progress() -> None:
    """Say that there is none here."""
    print("progress: kept in your own notebook only")
