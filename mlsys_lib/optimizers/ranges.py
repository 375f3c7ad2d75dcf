"""Checks of the options that optimizers share."""

from collections.abc import Sequence

from mlsys_lib.core.validate import non_negative


def fraction(name: str, value: float) -> float:
    """Return `value` as a float in [0, 1).

    >>> fraction("momentum", 1)
    Traceback (most recent call last):
    ...
    ValueError: momentum must be in [0, 1), got 1
    """
    try:
        number = non_negative(name, value)
    except ValueError:
        number = 1.0
    if number >= 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}")
    return number


def two_fractions(name: str, values: Sequence[float]) -> tuple[float, float]:
    """Return `values` as two floats in [0, 1)."""
    if len(values) != 2:
        raise ValueError(f"{name} must be two numbers, got {len(values)}")
    return fraction(f"{name}[0]", values[0]), fraction(f"{name}[1]", values[1])
