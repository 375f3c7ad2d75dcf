"""From an instructor's notebook to the students': nbgrader writes it, and we look for leaks.

Nothing reaches `release/` before every string of it was searched for the lines that stand between
``### BEGIN SOLUTION`` or ``### BEGIN HIDDEN TESTS`` and their ends.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import GenerateAssignment
from nbgrader.utils import capture_log, is_grade, is_locked, is_solution

from mlsys_lib.grading import gradebook
from mlsys_lib.grading.course import (
    Course,
    CourseError,
    assignment_name,
    find_exercise,
    write_atomically,
)
from mlsys_lib.grading.roster import read_roster

_BEGIN = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)")
_END = re.compile(r"### END (SOLUTION|HIDDEN TESTS)")
_STUDENT = re.compile(r"^STUDENT = .*$", re.MULTILINE)


@dataclass(frozen=True)
class Released:
    """What `release` made.

    Attributes
    ----------
    notebook : Path
        The students' notebook.
    taken_from : Path
        Where the instructor's was read.
    copies : tuple of Path
        One notebook for each student of the roster.
    notes : tuple of str
        What the instructor should know.
    """

    notebook: Path
    taken_from: Path
    copies: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def release(
    course: Course, assignment: str, exercises: Path | None = None, roster: Path | None = None
) -> Released:
    """Make the students' notebook of an assignment, and record it in the gradebook.

    Parameters
    ----------
    course : Course
        Its folder; made if it is not there.
    assignment : str
        Name of the notebook, in ``<exercises>/<topic>/`` or the course's own ``source/``.
    exercises : Path, optional
        Where to take the notebook from, over what the course has. By default the course's own
        copy counts; at the first release it is made from the clone's ``exercises/``.
    roster : Path, optional
        A CSV file of students: each gets a copy with the name filled in.

    Raises
    ------
    CourseError
        If there is no such notebook, nbgrader refuses it, it would give answers away, or it has
        other cells than the one to which students have handed in answers.
    """
    assignment_name(assignment)
    students = [identity.student for identity in read_roster(roster)] if roster else []
    origin, notes = _origin(course, assignment, exercises)
    source = gradebook.read_notebook(origin)
    course.prepare()
    gradebook.create(course)
    _refuse_other_cells(course, assignment, source)
    source_bytes = origin.read_bytes()
    with tempfile.TemporaryDirectory(dir=course.root, prefix=".release-") as folder:
        trial = Course(Path(folder))
        write_atomically(trial.source(assignment), source_bytes)
        shutil.copy(course.root / "nbgrader_config.py", folder)
        _generate(trial, assignment, no_database=True)
        _refuse_leaks(source, gradebook.read_notebook(trial.released(assignment)))
    write_atomically(course.source(assignment), source_bytes)
    _generate(course, assignment)
    copies = [_copy_for(course, assignment, student) for student in students]
    return Released(course.released(assignment), origin, tuple(copies), tuple(notes))


def leaks(source: NotebookNode, released: NotebookNode) -> list[str]:
    """Return the lines of solutions and hidden tests that `released` holds, anywhere.

    A line that the source also has outside of these regions (``return total``) is no leak.
    """
    inside: set[str] = set()
    outside: set[str] = set()
    for cell in source.cells:
        hidden = False
        for line in cell.source.splitlines():
            hidden = hidden or bool(_BEGIN.search(line))
            (inside if hidden else outside).add(line.strip())
            hidden = hidden and not _END.search(line)
    secret = inside - outside - {""}
    return sorted({line for line in _lines(released) if line.strip() in secret})


def _origin(course: Course, assignment: str, exercises: Path | None) -> tuple[Path, list[str]]:
    """Return where the instructor's notebook is taken from, and what to say about it."""
    own, found = course.source(assignment), find_exercise(assignment, exercises)
    if exercises is not None and found is None:
        raise CourseError(f"{exercises} has no notebook <topic>/{assignment}.ipynb")
    if found is not None and (exercises is not None or not own.exists()):
        return found, []
    if not own.exists():
        raise CourseError(
            f"no exercises/<topic>/{assignment}.ipynb: name the folder with --exercises"
        )
    differs = found is not None and found.read_bytes() != own.read_bytes()
    note = f"{own} differs from {found}: --exercises {found and found.parents[1]} takes that one"
    return own, [note] if differs else []


def _refuse_other_cells(course: Course, assignment: str, source: NotebookNode) -> None:
    """Raise CourseError if nbgrader could not bring answers and the new notebook together."""
    new = {
        cell.metadata.nbgrader.grade_id
        for cell in source.cells
        if is_grade(cell) or is_solution(cell) or is_locked(cell)
    }
    with Gradebook(course.db_url, gradebook.directory(course, assignment).course_id) as book:
        try:
            notebook = book.find_notebook(assignment, assignment)
        except MissingEntry:
            return
        old = {cell.name for cell in notebook.source_cells}
        if notebook.submissions and old != new:
            names = ", ".join(sorted(old ^ new))
            raise CourseError(
                f"students have handed in {assignment}: its cells can be edited, but none added "
                f"or removed ({names}); release it under another name"
            )


def _generate(course: Course, assignment: str, *, no_database: bool = False) -> None:
    converter = GenerateAssignment(coursedir=gradebook.directory(course, assignment))
    converter.update_config(gradebook.settings(course))
    converter.force, converter.no_database = True, no_database
    if no_database:
        converter.preprocessors = [
            step for step in converter.preprocessors if step.__name__ != "SaveCells"
        ]
    converter.log = gradebook.log
    done = capture_log(converter)
    if not done["success"]:
        raise CourseError(f"nbgrader refuses {assignment}: {_reason(done)}")


def _reason(done: dict[str, Any]) -> str:
    """Return the first exception that nbgrader logged; the last only says that there was one."""
    lines = (done.get("log", "") + "\n" + done["error"]).splitlines()
    said = [line.strip() for line in lines if re.match(r"\s*[\w.]*(Error|Exception)\b: ", line)]
    return said[0]


def _refuse_leaks(source: NotebookNode, released: NotebookNode) -> None:
    found = leaks(source, released)
    if found:
        raise CourseError(
            f"the students' notebook would hold {len(found)} lines of a solution or hidden test, "
            f"the first: {found[0].strip()!r}"
        )


def _lines(value: Any) -> Iterator[str]:
    """Yield the lines of every string in a notebook: sources, outputs, metadata, attachments."""
    if isinstance(value, str):
        yield from value.splitlines()
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(key)
            yield from _lines(item)
    elif isinstance(value, list):
        for item in value:
            yield from _lines(item)


def _copy_for(course: Course, assignment: str, student: str) -> Path:
    """Write the copy in which the line ``STUDENT = "..."`` has the student's id."""
    notebook = gradebook.read_notebook(course.released(assignment))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = _STUDENT.sub(lambda _: f"STUDENT = {student!r}", cell.source)
    folder = course.root / "release" / f"{assignment}-per-student" / student
    path = folder / f"{assignment}.ipynb"
    write_atomically(path, nbformat.writes(notebook).encode())
    return path
