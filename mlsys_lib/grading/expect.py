"""What a test expects of an answer, and how it says what it got instead.

The tests decide; the answer has no say. Types are compared outright, then lengths and shapes, and
only then values, so no `__eq__` of an answer is asked and no empty list passes for a full one.
"""

import reprlib
from typing import Any, NoReturn

import numpy as np

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 160


class Mismatch(AssertionError):
    """An answer is not what a test expects.

    Attributes
    ----------
    given, expected, got : str
        Short texts; they may hold what a hidden test must not tell.
    hint : str
        The author's words to the student, which may always be shown.
    """

    def __init__(
        self, *, given: str = "", expected: str = "", got: str = "", hint: str = ""
    ) -> None:
        parts = {"given": given, "expected": expected, "got": got, "hint": hint}
        super().__init__("; ".join(f"{name} {text}" for name, text in parts.items() if text))
        self.given, self.expected, self.got, self.hint = given, expected, got, hint


def expect(
    condition: bool | np.bool_,
    *,
    given: str = "",
    expected: str = "",
    got: str = "",
    hint: str = "",
) -> None:
    """Raise `Mismatch` unless `condition` is true.

    Raises
    ------
    TypeError
        If `condition` is not a bool: the truth of an array or of an answer's own class decides
        nothing.
    """
    if type(condition) not in (bool, np.bool_):
        raise TypeError(f"condition must be a bool, got {type(condition).__name__}")
    if not condition:
        raise Mismatch(given=given, expected=expected, got=got, hint=hint)


def expect_equal(got: Any, expected: Any, *, given: str = "", hint: str = "") -> None:
    """Raise `Mismatch` unless `got` has the type, shape and values of `expected`; NaN equals NaN.

    Parameters
    ----------
    got : object
        The answer. A NumPy scalar counts as the Python number that it holds.
    expected : None, bool, int, float, complex, str, ndarray, or list, tuple or dict of these

    Examples
    --------
    >>> expect_equal([1, 2], [1, 2])
    >>> expect_equal([], [1, 2])
    Traceback (most recent call last):
    ...
    mlsys_lib.grading.expect.Mismatch: expected 2 items: [1, 2]; got 0 items: []
    """
    _Comparison(None, given, hint).compare(got, expected, "")


def expect_close(
    got: Any,
    expected: Any,
    *,
    rtol: float = 1e-9,
    atol: float = 0.0,
    given: str = "",
    hint: str = "",
) -> None:
    """Raise `Mismatch` unless `got` is `expected` up to rounding: ``|got - e| <= atol + rtol |e|``.

    Types, shapes and lengths are compared outright, but for one thing: an int may stand where a
    float is expected.
    """
    _Comparison((rtol, atol), given, hint).compare(got, expected, "")


class _Comparison:
    """One comparison; `tolerance` is (rtol, atol), or None for exact values."""

    def __init__(self, tolerance: tuple[float, float] | None, given: str, hint: str) -> None:
        self._tolerance, self._given, self._hint = tolerance, given, hint

    def compare(self, got: Any, expected: Any, where: str) -> None:
        got, expected = _python(got), _python(expected)
        if self._tolerance and type(expected) is float and type(got) is int:
            got = _as_float(got)
        if type(got) is not type(expected):
            self._fail(where, f"{_kind(expected)}: {show(expected)}", f"{_kind(got)}: {show(got)}")
        if type(expected) is np.ndarray:
            self._compare_arrays(got, expected, where)
        elif type(expected) in (list, tuple):
            self._compare_lengths(got, expected, where)
            for i, item in enumerate(expected):
                self.compare(got[i], item, f"{where}[{i}]")
        elif type(expected) is dict:
            self._compare_keys(got, expected, where)
            for key, item in expected.items():
                self.compare(got[key], item, f"{where}[{key!r}]")
        elif expected is None or type(expected) in (bool, int, float, complex, str):
            if not self._same_value(got, expected):
                self._fail(where, show(expected), show(got))
        else:
            raise TypeError(f"expected must be plain data, got {type(expected).__name__}")

    def _compare_arrays(self, got: np.ndarray, expected: np.ndarray, where: str) -> None:
        if got.dtype != expected.dtype or got.shape != expected.shape:
            self._fail(where, _kind(expected), _kind(got))
        if self._tolerance and expected.dtype.kind in "fc":
            rtol, atol = self._tolerance
            with np.errstate(all="ignore"):  # huge values may overflow in the difference
                same = np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
        else:
            nan = (got != got) & (expected != expected)
            same = (got == expected) | nan
        if not same.all():
            index = tuple(int(i) for i in np.argwhere(~same)[0])
            at = f"{where}{list(index)}" if index else where
            spots = int(same.size - same.sum())
            self._fail(
                "",
                show(expected),
                f"{show(got)}; {spots} of {same.size} differ, first {at}: "
                f"{show(got[index].item())} for {show(expected[index].item())}",
            )

    def _compare_lengths(self, got: Any, expected: Any, where: str) -> None:
        if len(got) != len(expected):
            self._fail(
                where,
                f"{len(expected)} items: {show(expected)}",
                f"{len(got)} items: {show(got)}",
            )

    def _compare_keys(self, got: dict[Any, Any], expected: dict[Any, Any], where: str) -> None:
        plain = all(type(key) in (str, int, bool, float, tuple) for key in got)
        if not plain or got.keys() != expected.keys():
            self._fail(where, f"keys {show(list(expected))}", f"keys {show(list(got))}")

    def _same_value(self, got: Any, expected: Any) -> bool:
        if type(expected) not in (float, complex):
            return bool(got == expected)
        rtol, atol = self._tolerance or (0.0, 0.0)
        with np.errstate(all="ignore"):
            return bool(np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True))

    def _fail(self, where: str, expected: str, got: str) -> NoReturn:
        at = f"{where} " if where else ""
        raise Mismatch(
            given=self._given, expected=f"{at}{expected}", got=f"{at}{got}", hint=self._hint
        )


def show(value: Any) -> str:
    """Return a short text for `value`: long arrays and lists are abbreviated."""
    if type(value) is np.ndarray:
        text = np.array2string(value, threshold=12, edgeitems=4, precision=6, separator=", ")
        return " ".join(text.split())
    try:
        return _REPR.repr(value)
    except Exception as error:  # whatever the learner's own __repr__ does
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"


def _kind(value: Any) -> str:
    """Name the type of `value` as a reader knows it."""
    if type(value) is np.ndarray:
        return f"ndarray {value.dtype} of shape {value.shape}"
    return "None" if value is None else type(value).__name__


def _python(value: Any) -> Any:
    """Return NumPy's own scalars as Python numbers; leave everything else, subclasses too."""
    is_scalar = isinstance(value, np.generic) and type(value).__module__ == "numpy"
    return value.item() if is_scalar else value


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
