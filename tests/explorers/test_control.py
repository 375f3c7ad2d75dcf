"""Controls: what they refuse, and which positions they span."""

from typing import Any

import pytest

from mlsys_lib.explorers.control import Control, default_position, settle, walk

WORKERS = Control("workers", (2, 4), default=4)
STEP = Control("step", lambda workers: range(workers), default=1)


def test_walk_visits_every_position_with_the_last_control_fastest() -> None:
    positions = list(walk((WORKERS, STEP)))
    assert positions == [
        {"workers": workers, "step": step} for workers in (2, 4) for step in range(workers)
    ]


def test_text_formats_the_value_and_adds_the_unit() -> None:
    assert Control("x", (1.25,), 1.25, format=".1f", unit="s").text(1.25) == "1.2 s"
    assert Control("x", (1,), 1, format=lambda value: f"<{value}>").text(1) == "<1>"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("two words", (1,), 1), "name of a control must be an identifier, got 'two words'"),
        (("x", (), 1), r"values of control 'x' must not be empty, got \(\)"),
        (("x", (1, "1"), 1), r"values of control 'x' must differ, got \(1, '1'\)"),
        (("x", (1, 2), 3), r"default of control 'x' must be one of \(1, 2\), got 3"),
    ],
)
def test_a_bad_declaration_names_parameter_rule_and_value(
    arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Control(*arguments)


def test_a_dependent_default_must_be_open_at_the_earlier_defaults() -> None:
    with pytest.raises(ValueError, match=r"default of control 'step' must be one of .*, got 9"):
        default_position((WORKERS, Control("step", STEP.values, default=9)))


def test_empty_dependent_values_name_the_position() -> None:
    empty = Control("step", lambda workers: range(workers - 2), default=0)
    with pytest.raises(ValueError, match="'step' must not be empty at workers=2"):
        list(walk((WORKERS, empty)))


@pytest.mark.parametrize(
    ("wanted", "index", "choices", "landed"),
    [(4, 0, (1, 2, 4), 2), (3, 1, (1, 2, 4), 1), (9, 9, (1, 2, 4), 2)],
    ids=["keeps its value", "keeps its place", "goes to the end"],
)
def test_settle(wanted: int, index: int, choices: tuple[int, ...], landed: int) -> None:
    assert settle(wanted, index, choices) == landed
