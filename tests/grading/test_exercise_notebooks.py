"""The notebooks of all assignments: ids, titles, students' copies, and that they run."""

import ast
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlsys_lib.grading.public import EXERCISES, names

ROOT = Path(__file__).resolve().parents[2]
EXERCISE_FOLDER = ROOT / "exercises"
ASSIGNMENTS = sorted((path.parent.name, path.stem) for path in EXERCISE_FOLDER.glob("*/*.ipynb"))


@cache
def cells(topic: str, assignment: str, folder: str = "") -> tuple[dict[str, Any], ...]:
    path = EXERCISE_FOLDER / topic / folder / f"{assignment}.ipynb"
    return tuple(json.loads(path.read_text(encoding="utf-8"))["cells"])


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_assignments():
    assert {topic for topic, _ in ASSIGNMENTS} == set(EXERCISES)


@pytest.mark.parametrize("topic", EXERCISES)
def test_notebooks_and_public_tests_know_the_same_exercises_by_the_same_titles(topic):
    titles = {}
    for assignment in [name for its, name in ASSIGNMENTS if its == topic]:
        with_tests = {
            cell["metadata"]["mlsys"]["exercise"]
            for cell in cells(topic, assignment)
            if cell["metadata"].get("mlsys", {}).get("role") == "public"
        }
        for cell in cells(topic, assignment):
            about = cell["metadata"].get("mlsys", {})
            if about.get("role") == "prompt":
                assert text(cell).startswith(f"## {about['title']}\n")
                if about["exercise"] in with_tests:
                    titles[about["exercise"]] = about["title"]
    assert titles == EXERCISES[topic]
    assert list(titles) == [name for its, name, _ in names() if its == topic]


@pytest.mark.parametrize("folder", ["", "student"])
@pytest.mark.parametrize(("topic", "assignment"), ASSIGNMENTS)
def test_cells_have_ids_that_are_words_and_no_outputs(topic, assignment, folder):
    ids = [cell["id"] for cell in cells(topic, assignment, folder)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in ids)
    code = [cell for cell in cells(topic, assignment, folder) if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


@pytest.mark.parametrize(("topic", "assignment"), ASSIGNMENTS)
def test_the_first_code_cell_is_the_one_that_all_notebooks_share(topic, assignment):
    chapter = json.loads((ROOT / "chapters" / "collectives.ipynb").read_text(encoding="utf-8"))
    install = next(text(c) for c in chapter["cells"] if c["cell_type"] == "code")
    for folder in ("", "student"):
        first = next(c for c in cells(topic, assignment, folder) if c["cell_type"] == "code")
        assert text(first) == install


def run_notebook(topic: str, assignment: str, folder: str) -> None:
    """Run the code cells in order; the first needs IPython, and nothing from it is needed."""
    namespace: dict[str, Any] = {"__name__": "notebook"}
    for cell in [c for c in cells(topic, assignment, folder) if c["cell_type"] == "code"][1:]:
        is_hidden = cell["metadata"].get("mlsys", {}).get("role") == "hidden"
        if folder == "student" or not is_hidden:
            exec(text(cell), namespace)


@pytest.mark.parametrize(("topic", "assignment"), ASSIGNMENTS)
def test_a_students_copy_runs_from_top_to_bottom(topic, assignment, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLSYS_PROGRESS", str(tmp_path / "progress.json"))
    run_notebook(topic, assignment, "student")
    printed = capsys.readouterr().out
    num_checks = sum("check(" in text(cell) for cell in cells(topic, assignment, "student"))
    assert printed.count("not written yet") == num_checks > 0


@pytest.mark.parametrize(("topic", "assignment"), ASSIGNMENTS)
def test_the_solved_notebook_passes_its_public_tests(
    topic, assignment, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MLSYS_PROGRESS", str(tmp_path / "progress.json"))
    run_notebook(topic, assignment, "")
    printed = capsys.readouterr().out
    num_checks = sum("check(" in text(cell) for cell in cells(topic, assignment))
    assert printed.count("hidden tests run when your instructor grades)") == num_checks
    assert "✗" not in printed


@pytest.mark.parametrize(("topic", "assignment"), ASSIGNMENTS)
def test_a_hidden_cell_without_its_tests_shows_nothing(topic, assignment):
    for cell in cells(topic, assignment, "student"):
        if cell["metadata"].get("mlsys", {}).get("role") == "hidden":
            last = ast.parse(text(cell)).body[-1]  # Jupyter shows the value of an expression
            assert isinstance(last, ast.ImportFrom)


@pytest.mark.parametrize(("topic", "assignment"), ASSIGNMENTS)
def test_a_students_copy_is_what_nbgrader_makes_of_the_source(
    topic, assignment, tmp_path, monkeypatch
):
    pytest.importorskip("nbgrader")
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    monkeypatch.chdir(tmp_path)  # nbgrader writes a log where it stands
    source = tmp_path / "source" / assignment / f"{assignment}.ipynb"
    source.parent.mkdir(parents=True)
    shutil.copy(EXERCISE_FOLDER / topic / source.name, source)
    course = CourseDirectory(root=str(tmp_path), assignment_id=assignment)
    converter = GenerateAssignment(coursedir=course, no_database=True)
    steps = [step for step in converter.preprocessors if step.__name__ != "SaveCells"]
    converter.preprocessors = steps  # that one writes into a gradebook
    converter.start()
    released = tmp_path / "release" / assignment / source.name
    stored = EXERCISE_FOLDER / topic / "student" / source.name
    assert json.loads(released.read_text("utf-8")) == json.loads(stored.read_text("utf-8"))
