"""The bridge to nbgrader: a verdict goes into its gradebook, and formgrader shows the notebook.

nbgrader's classes do the work, as they are. What differs is when: its autograder makes a database
engine for each step of each notebook and commits each mark on its own; here one engine serves the
whole run, and all marks of a student come in one transaction, so that a killed grader leaves all of
them or none.
"""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, OverwriteCells, SaveAutoGrades
from nbgrader.preprocessors.base import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution, parse_utc
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from mlsys_lib.grading.course import Course, CourseError, write_atomically
from mlsys_lib.grading.inert import inert_markdown
from mlsys_lib.grading.verdict import Verdict

log = logging.getLogger("mlsys_lib.grading.nbgrader")
log.setLevel(logging.ERROR)  # "is 3600 seconds late" for each of 500 students helps nobody

INVALID = """\
**This submission could not be graded.** It has no mark, and is not a 0: a person decides.

{reason}

Below is the assignment as it was released, so that marks can be given by hand."""


def settings(course: Course) -> Config:
    """Return the course's nbgrader_config.py."""
    course.require()
    found: Config = PyFileConfigLoader("nbgrader_config.py", path=str(course.root)).load_config()
    return found


def directory(course: Course, assignment: str) -> CourseDirectory:
    """Return nbgrader's view of the course, for one assignment."""
    return CourseDirectory(
        config=settings(course), root=str(course.root), db_url=course.db_url,
        assignment_id=assignment,
    )  # fmt: skip


def create(course: Course) -> None:
    """Make the gradebook, unless there is one.

    nbgrader runs the command `alembic` meanwhile, which may lie beside this interpreter and not
    on the PATH. The file gets its name when it is whole.
    """
    if course.gradebook.exists():
        return
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        with tempfile.TemporaryDirectory(dir=course.root, prefix=".gradebook-") as folder:
            new = Path(folder) / "gradebook.db"
            Gradebook(f"sqlite:///{new}", "").close()
            new.chmod(0o600)
            new.replace(course.gradebook)
    finally:
        os.environ["PATH"] = before


def read_notebook(path: Path) -> NotebookNode:
    """Return an instructor's notebook.

    Raises
    ------
    CourseError
        If there is none, or it cannot be read.
    """
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise CourseError(f"{path} is no notebook that can be read: {reason}") from None


def read_timestamp(submission: Path) -> datetime | None:
    """Return when a submission came, in UTC without a zone, as nbgrader keeps it; None if unknown.

    Parameters
    ----------
    submission : Path
        The notebook; `timestamp.txt` lies beside it.
    """
    try:
        with (submission.parent / "timestamp.txt").open(encoding="utf-8") as file:
            found: datetime | None = parse_utc(file.read(100).strip())
    except (OSError, ValueError, OverflowError):
        return None
    return found


class Book:
    """The gradebook of a course, opened for one assignment; a context manager.

    Parameters
    ----------
    course : Course
        Its folder.
    assignment : str
        A released assignment.

    Raises
    ------
    CourseError
        If the gradebook does not have the assignment.
    """

    def __init__(self, course: Course, assignment: str) -> None:
        self.course, self.assignment = course, assignment
        if not course.gradebook.exists():
            raise CourseError(
                f"{assignment} was not released: run `mlsys-grade release {assignment}`"
            )
        nbgrader = directory(course, assignment)
        self.gradebook = Gradebook(course.db_url, nbgrader.course_id)
        self.gradebook.db.remove()
        self.gradebook.db.configure(autoflush=False, expire_on_commit=False)
        try:
            self.gradebook.find_notebook(assignment, assignment)
        except MissingEntry:
            self.close()
            raise CourseError(
                f"{assignment} was not released: run `mlsys-grade release {assignment}`"
            ) from None
        self._overwrite = _OverwriteCells(config=nbgrader.config, log=log)
        self._save = _SaveAutoGrades(config=nbgrader.config, log=log)
        self._late = AssignLatePenalties(config=nbgrader.config, log=log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self.gradebook.close()

    def check_source(self, source: NotebookNode) -> None:
        """Raise CourseError unless the tests of `source` are those that were released."""
        notebook = self.gradebook.find_notebook(self.assignment, self.assignment)
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        released = {
            cell.name: (cell.source, points[cell.name])
            for cell in notebook.source_cells
            if cell.name in points and cell.locked
        }
        if released != _tests(source):
            raise CourseError(
                f"source/{self.assignment} has other tests than were released: "
                f"run `mlsys-grade release {self.assignment}` again"
            )

    def students(self) -> set[str]:
        """Return whose submission the gradebook knows."""
        return {submission.student_id for submission in self._submissions()}

    def register(self, students: Iterable[str]) -> None:
        """Add `students` in the order given: rows come in the same order in every run."""
        with self._transaction():
            for student in students:
                self.gradebook.update_or_create_student(student)

    def save(
        self, verdict: Verdict, timestamp: datetime | None, *, same_answers: bool = False
    ) -> None:
        """Save marks, comments and the executed notebook of one student.

        A mark given by hand stays. nbgrader asks for a new look at each of them after grading
        again; here only if the student's answers or the machine's mark changed.

        Parameters
        ----------
        verdict : Verdict
            An `invalid` one is recorded as waiting for a person, in every question.
        timestamp : datetime or None
            When it was handed in.
        same_answers : bool
            Whether the same bytes were saved before.
        """
        notebook = self._clean_notebook(verdict)
        resources = self._resources(verdict.student)
        with self._transaction():
            self.gradebook.update_or_create_student(verdict.student)
            submission = self.gradebook.update_or_create_submission(
                self.assignment, verdict.student, timestamp=timestamp
            )
            seen = {grade: grade.auto_score for grade in _grades(submission) if _settled(grade)}
            self._overwrite.preprocess(notebook, resources)
            if verdict.status == "invalid":
                _wait_for_a_person(_grades(submission))
            else:
                self._save.preprocess(notebook, resources)
            for grade, score in seen.items():
                grade.needs_manual_grade = not same_answers or grade.auto_score != score
        path = self.course.autograded(self.assignment, verdict.student)
        write_atomically(path, nbformat.writes(notebook).encode(), 0o600)

    def assign_late_penalties(self) -> None:
        """Let nbgrader's plugin set the penalty of whoever is late, or was.

        Done once a run and for all: a due date, an extension or a mark by hand may have changed.
        """
        late = [
            submission.student_id
            for submission in self._submissions()
            if submission.total_seconds_late or any(
                notebook.late_submission_penalty for notebook in submission.notebooks
            )
        ]  # fmt: skip
        self.gradebook.db.remove()  # nbgrader opens a connection of its own
        for student in late:
            self._late.preprocess(nbformat.v4.new_notebook(), self._resources(student))

    def _submissions(self) -> list[SubmittedAssignment]:
        found: list[SubmittedAssignment] = self.gradebook.assignment_submissions(self.assignment)
        return found

    def _resources(self, student: str) -> dict[str, Any]:
        names = {"notebook": self.assignment, "assignment": self.assignment, "student": student}
        return {"nbgrader": names | {"db_url": self.course.db_url}, "gradebook": self.gradebook}

    def _clean_notebook(self, verdict: Verdict) -> NotebookNode:
        if verdict.notebook is not None:
            return nbformat.from_dict(json.loads(json.dumps(verdict.notebook)))
        notebook = read_notebook(self.course.released(self.assignment))
        reason = inert_markdown(" ".join(verdict.reason.split()))
        text = INVALID.format(reason=reason)
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text, id="invalid"))
        return notebook

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Make the commits that nbgrader's functions do into one, at the end of the block."""
        session = self.gradebook.db
        session.remove()
        with self.gradebook.engine.begin() as connection:
            session.configure(bind=connection, join_transaction_mode="rollback_only")
            try:
                yield
                session.commit()
            finally:
                session.remove()
                session.configure(bind=self.gradebook.engine)


class _OpenGradebook(NbGraderPreprocessor):
    """A step that uses the gradebook it is given, instead of opening one for each notebook."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        names = resources["nbgrader"]
        self.notebook_id, self.assignment_id = names["notebook"], names["assignment"]
        self.student_id, self.gradebook = names["student"], resources["gradebook"]
        done: tuple[NotebookNode, dict[str, Any]] = NbGraderPreprocessor.preprocess(
            self, nb, resources
        )
        return done


class _OverwriteCells(_OpenGradebook, OverwriteCells):
    """The cells as they were released, with their checksums."""


class _SaveAutoGrades(_OpenGradebook, SaveAutoGrades):
    """The points of each test cell, from its outputs."""


def _tests(source: NotebookNode) -> dict[str, tuple[str, float]]:
    return {
        cell.metadata.nbgrader.grade_id: (cell.source, float(cell.metadata.nbgrader.points))
        for cell in source.cells
        if is_grade(cell) and not is_solution(cell)
    }


def _grades(submission: SubmittedAssignment) -> list[Grade]:
    return [grade for notebook in submission.notebooks for grade in notebook.grades]


def _settled(grade: Grade) -> bool:
    """Return whether a person gave the mark, and nothing has happened since."""
    return grade.manual_score is not None and not grade.needs_manual_grade


def _wait_for_a_person(grades: list[Grade]) -> None:
    for grade in grades:
        grade.auto_score = None
        grade.needs_manual_grade = True
