"""Each check accepts what the rule allows, and its message has parameter, rule and value."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlsys_lib.core.validate import integer, non_negative, one_of, positive, positive_int


def refused(kind: type[Exception], message: str, check: Callable[..., Any], *args: Any) -> None:
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        check(*args)


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(2), np.array(4)])
def test_integers_of_any_type_become_int(value: Any) -> None:
    result = positive_int("n", value)
    assert result == int(value) and type(result) is int


@pytest.mark.parametrize("value", [1.0, "1", None, True, [1], np.array([1]), np.array([1, 2])])
def test_what_is_no_integer_is_refused(value: Any) -> None:
    if isinstance(value, np.ndarray):
        with pytest.raises(TypeError, match=r"^n must be an integer >= 1, got array"):
            positive_int("n", value)
        return
    refused(TypeError, f"n must be an integer >= 1, got {value!r}", positive_int, "n", value)


def test_bounds_of_an_integer_are_included() -> None:
    assert integer("rank", 0, 0, 3) == 0
    assert integer("rank", 3, 0, 3) == 3
    refused(ValueError, "rank must be an integer in 0…3, got 4", integer, "rank", 4, 0, 3)
    refused(ValueError, "rank must be an integer in 0…3, got -1", integer, "rank", -1, 0, 3)
    refused(ValueError, "n must be an integer >= 1, got 0", positive_int, "n", 0)


@pytest.mark.parametrize("value", [0, 0.0, 2.5, np.float32(1.5)])
def test_non_negative_includes_zero(value: Any) -> None:
    assert non_negative("seconds", value) == float(value)


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf"), -float("inf")])
def test_numbers_that_measure_nothing_are_refused(value: float) -> None:
    refused(
        ValueError,
        f"seconds must be finite and >= 0, got {value!r}",
        non_negative,
        "seconds",
        value,
    )
    refused(ValueError, f"rate must be finite and > 0, got {value!r}", positive, "rate", value)


def test_positive_excludes_zero() -> None:
    assert positive("rate", 0.1) == 0.1
    refused(ValueError, "rate must be finite and > 0, got 0", positive, "rate", 0)


@pytest.mark.parametrize("value", ["fast", None, [1.0], 1j])
def test_what_is_no_number_is_named(value: Any) -> None:
    refused(TypeError, f"rate must be a number > 0, got {value!r}", positive, "rate", value)
    refused(TypeError, f"rate must be a number >= 0, got {value!r}", non_negative, "rate", value)


def test_one_of_lists_the_words() -> None:
    assert one_of("op", "max", ("sum", "max")) == "max"
    refused(
        ValueError, "op must be one of 'sum', 'max', got 'product'", one_of, "op", "product",
        ("sum", "max"),
    )  # fmt: skip
