"""The notebooks of exercises: solutions pass, planted mistakes fail, and for their own reason.

Here everything runs in this process; through the sandbox it is `mlsys-grade verify` that does it.
"""

import ast
import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import Run, simulate
from mlsys_lib.comm.run import arguments_of
from mlsys_lib.grading.context import Context, grading
from mlsys_lib.grading.public import EXERCISES, names

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


class Answer:
    """A learner's function as the grader has it: each rank runs cells of its own."""

    def __init__(self, source: str, name: str) -> None:
        self._source, self.name = source, name
        self.calls: list[Any] = []

    def _make(self) -> Callable[..., Any]:
        namespace: dict[str, Any] = {"__name__": "answer"}
        exec("import numpy as np\nfrom mlsys_lib.comm import Communicator\n", namespace)
        exec(self._source, namespace)
        function: Callable[..., Any] = namespace[self.name]
        return function

    def __call__(self, *args: Any) -> Any:
        self.calls.append(repr(args))
        return self._make()(*args)

    def on_ranks(self, world_size: int, *args: Any, engine: str, **kwargs: Any) -> Run:
        self.calls.append(repr([a for a, _ in arguments_of(world_size, args, {})]))
        functions = [self._make() for _ in range(world_size)]
        return simulate(
            lambda comm, *a: functions[comm.rank](comm, *a), world_size, *args, **kwargs
        )


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


def test_notebooks_and_public_tests_know_the_same_exercises_by_the_same_titles():
    titles = {}
    for assignment in ASSIGNMENTS:
        with_tests = {
            cell["metadata"]["mlsys"]["exercise"]
            for cell in cells(assignment)
            if cell["metadata"].get("mlsys", {}).get("role") == "public"
        }
        for cell in cells(assignment):
            about = cell["metadata"].get("mlsys", {})
            if about.get("role") == "prompt":
                assert text(cell).startswith(f"## {about['title']}\n")
                if about["exercise"] in with_tests:
                    titles[about["exercise"]] = about["title"]
    assert titles == EXERCISES["collectives"]
    assert list(titles) == [name for topic, name, _ in names() if topic == "collectives"]


@pytest.mark.parametrize("folder", ["", "student"])
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_cells_have_ids_that_are_words_and_no_outputs(assignment, folder):
    ids = [cell["id"] for cell in cells(assignment, folder)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in ids)
    code = [cell for cell in cells(assignment, folder) if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_first_code_cell_is_the_one_that_all_notebooks_share(assignment):
    chapter = json.loads((ROOT / "chapters" / "collectives.ipynb").read_text(encoding="utf-8"))
    install = next(text(c) for c in chapter["cells"] if c["cell_type"] == "code")
    for folder in ("", "student"):
        first = next(c for c in cells(assignment, folder) if c["cell_type"] == "code")
        assert text(first) == install


def run_notebook(assignment: str, folder: str) -> None:
    """Run the code cells in order; the first needs IPython, and nothing from it is needed."""
    namespace: dict[str, Any] = {"__name__": "notebook"}
    for cell in [c for c in cells(assignment, folder) if c["cell_type"] == "code"][1:]:
        is_hidden = cell["metadata"].get("mlsys", {}).get("role") == "hidden"
        if folder == "student" or not is_hidden:
            exec(text(cell), namespace)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_students_copy_runs_from_top_to_bottom(assignment, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLSYS_PROGRESS", str(tmp_path / "progress.json"))
    run_notebook(assignment, "student")
    printed = capsys.readouterr().out
    num_checks = sum("check(" in text(cell) for cell in cells(assignment, "student"))
    assert printed.count("not written yet") == num_checks > 0


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_solved_notebook_passes_its_public_tests(assignment, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLSYS_PROGRESS", str(tmp_path / "progress.json"))
    run_notebook(assignment, "")
    printed = capsys.readouterr().out
    num_checks = sum("check(" in text(cell) for cell in cells(assignment))
    assert printed.count("hidden tests run when your instructor grades)") == num_checks
    assert "✗" not in printed


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_hidden_cell_without_its_tests_shows_nothing(assignment):
    for cell in cells(assignment, "student"):
        if cell["metadata"].get("mlsys", {}).get("role") == "hidden":
            last = ast.parse(text(cell)).body[-1]  # Jupyter shows the value of an expression
            assert isinstance(last, ast.ImportFrom)


def test_the_students_copies_are_what_nbgrader_makes_of_the_sources(tmp_path, monkeypatch):
    pytest.importorskip("nbgrader")
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    monkeypatch.chdir(tmp_path)  # nbgrader writes a log where it stands
    for assignment in ASSIGNMENTS:
        source = tmp_path / "source" / assignment / f"{assignment}.ipynb"
        source.parent.mkdir(parents=True)
        shutil.copy(FOLDER / source.name, source)
        course = CourseDirectory(root=str(tmp_path), assignment_id=assignment)
        converter = GenerateAssignment(coursedir=course, no_database=True)
        steps = [step for step in converter.preprocessors if step.__name__ != "SaveCells"]
        converter.preprocessors = steps  # that one writes into a gradebook
        converter.start()
        released = tmp_path / "release" / assignment / source.name
        stored = FOLDER / "student" / source.name
        assert json.loads(released.read_text("utf-8")) == json.loads(stored.read_text("utf-8"))


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
