"""A course with one small assignment, and verdicts on it, for tests of what happens around them."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.api import Gradebook

from mlsys_lib.grading.course import Course
from mlsys_lib.grading.release import release
from mlsys_lib.grading.verdict import QuestionVerdict, Verdict

ASSIGNMENT = "tiny"
RIGHT = {"add": "def add(a, b):\n    return a + b", "scale": "def scale(a):\n    return 2 * a"}
WRONG = {"add": "def add(a, b):\n    return a - b", "scale": "def scale(a):\n    return a"}
HIDDEN = '''\
"""Think of negative numbers, too."""
### BEGIN HIDDEN TESTS
from mlsys_lib.grading import secret_rng
number = int(secret_rng("{name}").integers(1_000_000))
assert {call} == {want}
### END HIDDEN TESTS'''


def source() -> NotebookNode:
    """The instructor's notebook: two functions and a text."""
    cells = [new_code_cell('STUDENT = ""', id="given")]
    calls = {"add": ("add(number, 1)", "number + 1"), "scale": ("scale(number)", "number * 2")}
    for name, (call, want) in calls.items():
        head, body = RIGHT[name].split("\n")
        solution = f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
        hidden = HIDDEN.format(name=name, call=call, want=want)
        public = f"assert {call.replace('number', '1')} == 2"
        cells += [
            _cell(new_markdown_cell(f"## {name}"), f"{name}_prompt", locked=True),
            _cell(new_code_cell(solution), name, solution=True),
            _cell(new_code_cell(public), f"{name}_public", grade=True, locked=True, points=1),
            _cell(new_code_cell(hidden), f"{name}_hidden", grade=True, locked=True, points=2),
        ]
    text = new_markdown_cell("Why? YOUR ANSWER HERE")
    cells.append(_cell(text, "why_manual", grade=True, solution=True, points=3))
    notebook = new_notebook(cells=cells)
    notebook.metadata["mlsys"] = {"title": "Tiny", "withholds": ["mlsys_lib.collectives"]}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    return notebook


def _cell(cell: NotebookNode, grade_id: str, **flags: Any) -> NotebookNode:
    none = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = {"schema_version": 3, "grade_id": grade_id, **none, **flags}
    cell.metadata["mlsys"] = {"exercise": grade_id.split("_")[0]}
    cell.id = grade_id
    return cell


def write_exercises(folder: Path, notebook: NotebookNode | None = None) -> Path:
    """Write the instructor's notebook as the repository has them; return the exercises' folder."""
    path = folder / "exercises" / "arithmetic" / f"{ASSIGNMENT}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook or source(), path)
    return folder / "exercises"


_template = tempfile.TemporaryDirectory(prefix="course-")  # goes when the tests end


def make_course(folder: Path) -> Course:
    """A course whose assignment was released.

    A copy: nbgrader takes seconds to make a database.
    """
    made = Path(_template.name)
    if not (made / "course").exists():
        release(Course(made / "course"), ASSIGNMENT, write_exercises(made))
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return Course(folder / "course")


def answer(course: Course, answers: Mapping[str, str] = RIGHT, text: str | None = None) -> str:
    """The students' notebook, filled in: JSON text."""
    notebook = nbformat.read(course.released(ASSIGNMENT), as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id in answers:
            cell.source = answers[grade_id]
        if grade_id == "why_manual" and text is not None:
            cell.source = text
    return json.dumps(notebook)


def submit(course: Course, student: str, content: str, timestamp: str = "") -> Path:
    """Hand in a notebook, as `mlsys-grade collect` would place it."""
    path = course.submitted(ASSIGNMENT, student)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    if timestamp:
        (path.parent / "timestamp.txt").write_text(timestamp)
    return path


def verdict(course: Course, student: str, points: Mapping[str, float], text: str = "") -> Verdict:
    """A verdict as the grader gives them: `points` by grade_id, full points where not named."""
    notebook = nbformat.read(course.source(ASSIGNMENT), as_version=4)
    released = nbformat.read(course.released(ASSIGNMENT), as_version=4)
    questions = []
    for cell, handed_out in zip(notebook.cells, released.cells, strict=True):
        cell.metadata = handed_out.metadata
        named = cell.metadata.get("nbgrader", {})
        if not named.get("grade"):
            continue
        grade_id, most = named["grade_id"], float(named["points"])
        if cell.cell_type == "markdown":
            cell.source = text or handed_out.source
            reached: float | None = None if text else 0.0
        else:
            reached = points.get(grade_id, most)
            wrong = new_output("error", ename="AssertionError", evalue="no", traceback=["no"])
            cell.outputs = [] if reached else [wrong]
        kind = grade_id.split("_")[1]
        status = "needs_manual_grade" if reached is None else "graded"
        exercise = grade_id.split("_")[0]
        questions.append(QuestionVerdict(grade_id, exercise, kind, status, reached, most))
    status = "needs_manual_grade" if text else "graded"
    clean = json.loads(json.dumps(notebook))
    return Verdict(ASSIGNMENT, student, status, questions=tuple(questions), notebook=clean)


def hand_in(course: Course, student: str, found: Verdict | None = None, asks: str = "") -> None:
    """Hand in a file, and lay down what `work.told` will find out about it."""
    submit(course, student, asks or f"the answers of {student}", "2026-10-01 10:00:00 UTC")
    (course.root / "told").mkdir(exist_ok=True)
    told = found or verdict(course, student, {})
    (course.root / "told" / f"{student}.json").write_text(told.to_json())


def looked_at(course: Course) -> list[str]:
    """Whom `work.told` has been asked about since the last call, sorted."""
    path = course.root / "looked-at"
    found = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def all_marks(course: Course) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that counts in the gradebook, by student."""
    with Gradebook(course.db_url) as book:
        return {
            submission.student_id: [
                (submission.timestamp, submission.score, submission.needs_manual_grade),
                *sorted(
                    (grade.name, grade.auto_score, grade.manual_score, grade.needs_manual_grade)
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                ),
            ]
            for submission in book.assignment_submissions(ASSIGNMENT)
        }
