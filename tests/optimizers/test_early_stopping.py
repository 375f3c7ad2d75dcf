"""Early stopping: when it stops, and whose weights are left."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.optimizers import EarlyStopping


def stops_at(values: list[float], **options: Any) -> int | None:
    """Return which value stops, or None."""
    stopping = EarlyStopping(**options)
    for i, value in enumerate(values):
        if stopping.update(value, []):
            return i
    return None


def stops_by_definition(values: list[float], patience: int, min_delta: float, sign: int) -> Any:
    """The last `patience` values all fail to beat the best before them."""
    for i in range(len(values)):
        window = values[i - patience + 1 : i + 1] if i >= patience else []
        if window:
            improved, best = [], sign * values[0]
            for value in values[: i + 1]:
                improved.append(best - sign * value > min_delta)
                best = sign * value if improved[-1] else best
            if not any(improved[-patience:]):
                return i
    return None


def check_definition(stops: Any) -> None:
    """On random walks, for both modes and several thresholds."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = list(np.round(np.cumsum(rng.normal(size=30)), 1))
        patience, delta = int(rng.integers(1, 6)), float(rng.choice([0.0, 0.5]))
        for mode, sign in (("min", 1), ("max", -1)):
            found = stops(values, patience=patience, min_delta=delta, mode=mode)
            assert found == stops_by_definition(values, patience, delta, sign)


def test_definition() -> None:
    check_definition(stops_at)


def stops_at_first_decrease(values: list[float], patience: int, min_delta: float, mode: str) -> Any:
    """As the cheat sheet has it: stop when the measure starts to get worse."""
    sign = 1 if mode == "min" else -1
    worse = [i for i in range(1, len(values)) if sign * (values[i] - values[i - 1]) > 0]
    return worse[0] if worse else None


def stops_against_the_last(values: list[float], patience: int, min_delta: float, mode: str) -> Any:
    """Compares with the value before, not with the best."""
    sign, bad = (1 if mode == "min" else -1), 0
    for i in range(1, len(values)):
        bad = 0 if sign * (values[i - 1] - values[i]) > min_delta else bad + 1
        if bad >= patience:
            return i
    return None


@pytest.mark.parametrize("wrong", [stops_at_first_decrease, stops_against_the_last])
def test_planted_version_is_rejected(wrong: Any) -> None:
    with pytest.raises(AssertionError):
        check_definition(wrong)


def test_one_bad_value_is_noise() -> None:
    assert stops_at([1.0, 0.9, 0.95, 0.8, 0.7], patience=2) is None
    assert stops_at([1.0, 0.9, 0.95, 0.8, 0.7], patience=1) == 2


def test_equal_values_do_not_improve() -> None:
    assert stops_at([1.0] * 4, patience=3) == 3


def test_best_weights_come_back_in_place() -> None:
    stopping, w = EarlyStopping(patience=2, mode="max"), np.zeros((2, 2))
    for accuracy in (0.5, 0.8, 0.7, 0.6):
        w += 1
        stop = stopping.update(accuracy, [w])
    assert stop and (w == 4).all()
    stopping.restore([w])
    assert (w == 2).all()
    assert (stopping.best_value, stopping.best_index, stopping.num_values) == (0.8, 1, 4)


def test_kept_weights_are_copies() -> None:
    """What happens to the weights later, also after they came back, does not reach them."""
    stopping, w = EarlyStopping(patience=1), np.ones(3)
    stopping.update(0.5, [w])
    for _ in range(2):
        w += 7
        stopping.restore([w])
        np.testing.assert_array_equal(w, 1)


def test_nan_never_improves() -> None:
    assert stops_at([np.nan, np.nan], patience=2) == 1
    assert stops_at([1.0, np.nan, 0.5, np.nan, np.nan], patience=2) == 4
    stopping = EarlyStopping(patience=9)
    stopping.update(float("nan"), [])
    stopping.update(3.0, [])
    assert stopping.best_value == 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience must be an integer >= 1, got 0"),
        ({"patience": 1, "min_delta": -1}, "min_delta must be finite and >= 0, got -1"),
        ({"patience": 1, "mode": "up"}, "mode must be one of 'min', 'max', got 'up'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


def test_restoring_what_was_not_kept_is_refused() -> None:
    stopping = EarlyStopping(patience=1)
    with pytest.raises(ValueError, match="best_value must be a number before weights are restored"):
        stopping.restore([np.ones(2)])
    stopping.update(1.0, [np.ones(2)])
    other = [np.zeros(3)]
    with pytest.raises(
        ValueError, match=r"weights must have the shapes \[\(2,\)\], got \[\(3,\)\]"
    ):
        stopping.restore(other)
    assert not other[0].any()
