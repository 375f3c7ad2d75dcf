"""Checks at the boundary: each raises with the parameter, the rule and the value.

>>> positive_int("world_size", 0)
Traceback (most recent call last):
...
ValueError: world_size must be an integer >= 1, got 0
"""

import math
import operator
from collections.abc import Collection
from typing import SupportsFloat


def integer(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int in [minimum, maximum]; bool and float are refused."""
    rule = f">= {minimum}" if maximum is None else f"in {minimum}…{maximum}"
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer {rule}, got {value!r}")
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(f"{name} must be an integer {rule}, got {number}")
    return number


def positive_int(name: str, value: object) -> int:
    """Return `value` as an int of at least one."""
    return integer(name, value, 1)


def non_negative(name: str, value: float) -> float:
    """Return `value` as a finite float of at least zero."""
    number = _number(name, value, ">= 0")
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{name} must be finite and >= 0, got {value!r}")
    return number


def positive(name: str, value: float) -> float:
    """Return `value` as a finite float above zero."""
    number = _number(name, value, "> 0")
    if not math.isfinite(number) or number <= 0:
        raise ValueError(f"{name} must be finite and > 0, got {value!r}")
    return number


def one_of(name: str, value: str, allowed: Collection[str]) -> str:
    """Return `value` if it is one of the allowed words."""
    if value not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        raise ValueError(f"{name} must be one of {words}, got {value!r}")
    return value


def _number(name: str, value: float, rule: str) -> float:
    if type(value) is float:  # the check below takes as long as a message
        return value
    if not isinstance(value, SupportsFloat):  # a str is none, though float("1") works
        raise TypeError(f"{name} must be a number {rule}, got {value!r}")
    return float(value)
