"""The exercises to Collectives: solutions pass, planted mistakes fail, and for their own reason.

Here everything runs in this process; through the sandbox it is `mlsys-grade verify` that does it.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsys_lib.grading.context import Context, grading
from tests.grading.answer import Answer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "exercises" / "collectives"
ASSIGNMENTS = ("collectives", "on_processes")
SECRETS = (b"one", b"two", b"three")

# What each planted mistake is caught by: the cell, and words of what that cell says.
CAUGHT = {
    "read_a_timeline": {
        "counts_messages": ("public", "start together"),
        "most_messages": ("public", "not messages"),
        "busy_twice": ("public", "one busy millisecond"),
        "stops_with_rank_0": ("public", "after its last message"),
        "adds_both_ways": ("public", "for who sends"),
        "last_line_ends_last": ("hidden", r"\['idle_ms'\]"),
    },
    "crossover_bytes": {
        "one_way_tree": ("public", "must come down again"),
        "real_logarithm": ("public", "six machines"),
        "rounded_logarithm": ("hidden", "expected"),
        "numbers_not_bytes": ("public", "numbers of 4 bytes"),
        "rounded": ("public", "not to round"),
        "alone_divides_by_zero": ("hidden", "division by zero"),
    },
    "reduce_scatter": {
        "ends_one_further": ("public", "Rank r must end with chunk r"),
        "equal_chunks": ("public", r"shape \(2,\).*shape \(1,\)"),
        "sums_everything": ("public", "bytes sent"),
        "adds_into_x": ("public", "x of rank 0 after the call"),
        "single_precision": ("hidden", "differ"),
        "always_doubles": ("public", "int64.*float64"),
        "takes_turns": ("public", "at most 4 rounds"),
        "knows_the_public_inputs": ("hidden", "Shape, dtype and values"),
    },
    "ring_all_reduce": {
        "whole_gradient": ("public", "bytes sent"),
        "one_step_short": ("public", "what rank 0 returned"),
        "gathers_the_wrong_chunk": ("public", "sends first in the second half"),
        "adds_into_x": ("public", "x of rank 0 after the call"),
        "equal_chunks": ("public", "cannot reshape"),
        "gathers_all": ("public", "bytes sent"),
        "single_precision": ("public", "rank 0's result"),
        "rank_0_keeps_its_own": ("public", "what rank 0 returned"),
        "loses_the_shape": ("public", r"shape \(2, 5\).*shape \(10,\)"),
    },
    "halving_doubling": {
        "powers_of_two_only": ("public", "dst must be an integer in 0…2"),
        "guests_get_nothing_back": ("public", "what rank 2 returned"),
        "whole_arrays": ("public", "bytes sent"),
        "halves_must_be_even": ("public", "what rank 0 returned"),
        "adds_into_x": ("public", "x of rank 0 after the call"),
        "takes_turns": ("public", "4 rounds; got 6"),
        "guests_add_themselves_again": ("public", "what rank 2 returned"),
    },
    "stale_server": {
        "one_step_less": ("public", "still waiting"),
        "looks_at_the_pusher_only": ("public", "still waiting"),
        "forgets_the_mean": ("public", "the new weights"),
        "drops_stale_pushes": ("public", "the new weights"),
        "moves_in_place": ("public", "the old weights"),
        "measures_before_the_push": ("public", "still waiting"),
    },
    "all_gather_uneven": {
        "pads_to_the_longest": ("public", "bytes sent"),
        "takes_its_own_length": ("public", "shape"),
        "in_order_of_arrival": ("public", "in rank order"),
        "double_precision_buffers": ("public", "dtype|int64"),
        "shares_a_global": ("public", "KeyError"),
    },
}
MISTAKES = [(exercise, name) for exercise, named in CAUGHT.items() for name in named]


@cache
def cells(assignment: str, folder: str = "") -> tuple[dict[str, Any], ...]:
    path = FOLDER / folder / f"{assignment}.ipynb"
    return tuple(json.loads(path.read_text(encoding="utf-8"))["cells"])


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def part(exercise: str, role: str, folder: str = "") -> str:
    """The source of an exercise's cell of that role."""
    found = [
        text(cell)
        for assignment in ASSIGNMENTS
        for cell in cells(assignment, folder)
        if cell["metadata"].get("mlsys", {}) | {"exercise": exercise, "role": role}
        == cell["metadata"].get("mlsys", {})
    ]
    assert len(found) == 1, (exercise, role, len(found))
    return found[0]


def mistake(exercise: str, name: str) -> str:
    return (FOLDER / "wrong" / exercise / f"{name}.py").read_text(encoding="utf-8")


def grade(exercise: str, source: str, role: str, secret: bytes = b"x") -> tuple[Answer, str]:
    """Run one test cell on an answer; return what it was asked, and what went wrong."""
    match = re.findall(r"^def (\w+)", part(exercise, "answer"), re.MULTILINE)
    answer = Answer(source, match[-1])
    namespace = {answer.name: answer, "STUDENT": "ada", "__name__": "test"}
    with grading(Context("collectives", "ada", secret)):
        try:
            exec(part(exercise, role), namespace)
        except Exception as error:
            cause = error.__cause__
            words = f"{type(error).__name__}: {error}"
            return answer, f"{words} {type(cause).__name__ if cause else ''}"
    return answer, ""


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("exercise", CAUGHT)
def test_the_solution_passes_whatever_the_secret(exercise, secret):
    for role in ("public", "hidden"):
        assert grade(exercise, part(exercise, "answer"), role, secret)[1] == ""


@pytest.mark.parametrize("exercise", CAUGHT)
def test_the_stub_fails_both_kinds_of_tests(exercise):
    stub = part(exercise, "answer", "student")
    for role in ("public", "hidden"):
        assert "NotImplementedError" in grade(exercise, stub, role)[1]


@pytest.mark.parametrize(("exercise", "name"), MISTAKES)
def test_a_planted_mistake_is_caught_by_the_test_that_means_it(exercise, name):
    role, words = CAUGHT[exercise][name]
    for secret in SECRETS:
        failure = grade(exercise, mistake(exercise, name), role, secret)[1]
        assert re.search(words, failure, re.DOTALL), failure
    if role == "hidden":
        assert grade(exercise, mistake(exercise, name), "public")[1] == ""


@pytest.mark.parametrize("exercise", CAUGHT)
def test_hidden_inputs_come_from_the_secret_and_public_ones_do_not(exercise):
    solution = part(exercise, "answer")
    asked = {
        role: [grade(exercise, solution, role, secret)[0].calls for secret in SECRETS[:2]]
        for role in ("public", "hidden")
    }
    assert asked["public"][0] == asked["public"][1]
    assert asked["hidden"][0] != asked["hidden"][1]


def test_every_exercise_has_three_planted_mistakes_and_each_is_accounted_for():
    planted = {
        folder.name: {path.stem for path in folder.glob("*.py")}
        for folder in (FOLDER / "wrong").iterdir()
        if folder.is_dir()
    }
    assert planted == {exercise: set(named) for exercise, named in CAUGHT.items()}
    assert min(map(len, planted.values())) >= 3
    for exercise, name in MISTAKES:
        assert mistake(exercise, name).startswith('"""')


def test_two_students_have_numbers_of_their_own():
    cell = next(text(c) for c in cells("collectives") if c["id"] == "timeline")
    logs = []
    for student in ("ada", "grace"):
        namespace: dict[str, Any] = {"STUDENT": student, "print": lambda *_: None}
        exec("from mlsys_lib.datasets.run_log import run_log", namespace)
        exec("from mlsys_lib.grading import variant", namespace)
        exec(cell, namespace)
        logs.append(namespace["log"])
    assert logs[0] != logs[1]
    assert np.shape(logs[0])[1] == 5


@pytest.mark.parametrize("student", [f"student-{i}" for i in range(20)])
def test_the_mark_scheme_holds_for_the_numbers_of_every_student(student):
    cell = next(text(c) for c in cells("collectives") if c["id"] == "laboratory")
    lab: dict[str, Any] = {"STUDENT": student, "print": lambda *_: None}
    exec("from mlsys_lib.grading import variant", lab)
    exec(cell, lab)
    m, alpha_s = lab["machines"], lab["latency_us"] * 1e-6
    array_s = lab["kilobytes"] * 1e3 * 8 / (lab["gigabits"] * 1e9)
    levels = m.bit_length() - 1
    p = 2**levels
    ring = (2 * (m - 1) * alpha_s, 2 * (m - 1) / m * array_s)
    halving = ((2 * levels + 2) * alpha_s, (2 * (p - 1) / p + 2) * array_s)
    if lab["kilobytes"] < 10:  # a small gradient: halving-doubling, and latency
        assert sum(halving) < sum(ring) and halving[0] > 0.8 * sum(halving)
    else:
        assert sum(ring) < sum(halving) and ring[1] > 0.8 * sum(ring)
