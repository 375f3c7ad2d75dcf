"""A page for each student: points, what happened, and the line that failed.

nbgrader's own page prints the hidden tests and loads scripts from other hosts, so this one is
written from the verdict alone, whose questions hold nothing that the student may not read. Of the
executed notebook only the student's own cells are looked at. Marks and comments are those of the
gradebook, so that what a person wrote in formgrader is on the page.

Each page is one file: no script, no picture, nothing from anywhere, and a policy in its head that
forbids all of these should a word of the student's ever get through as more than text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from nbgrader.api import MissingEntry

from mlsys_lib.grading.course import Course, CourseError, write_atomically
from mlsys_lib.grading.gradebook import Book
from mlsys_lib.grading.inert import INVISIBLE, plain_text
from mlsys_lib.grading.roster import load_roster
from mlsys_lib.grading.verdict import QuestionVerdict, Verdict
from mlsys_lib.grading.words import IN_WORDS

OUTPUT_CHARACTERS = 8_000  # of one question; who printed more knows what it was
CODE_CHARACTERS = 100_000
KINDS = {"public": "Public tests", "hidden": "Hidden tests", "manual": "Your text"}


@dataclass(frozen=True)
class Line:
    """A line of the student's code."""

    text: str
    failed: bool


@dataclass(frozen=True)
class Block:
    """One of the student's own cells; code has lines, a text answer has one text."""

    name: str
    lines: tuple[Line, ...] = ()
    text: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Question:
    """One mark, as the page tells it; `points` is None while a person has yet to give it."""

    kind: str
    points: float | None
    max_points: float
    happened: str
    message: str
    output: str

    @property
    def state(self) -> str:
        """`waits`, `full`, `none` or `part`: what it looks like."""
        if self.points is None:
            return "waits"
        if self.points >= self.max_points:
            return "full"
        return "part" if self.points > 0 else "none"


@dataclass(frozen=True)
class Section:
    """An exercise: its questions and the student's cells."""

    title: str
    questions: tuple[Question, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """All that one student's page says.

    Attributes
    ----------
    reasons : tuple of str
        Why the file is invalid, or what happened to the notebook as a whole.
    restored : bool
        Whether some of `reasons` are cells that had been changed.
    points, max_points, waiting : float
        Reached so far, less the penalty; reachable; of these, still to be marked by a person.
    penalty : float
        Points taken off for being late.
    """

    title: str
    student: str
    name: str
    status: str
    reasons: tuple[str, ...]
    restored: bool
    points: float
    max_points: float
    waiting: float
    penalty: float
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class _Marks:
    """What the gradebook has of one submission: points (None: pending) and comments, by cell."""

    points: dict[str, float | None]
    by_hand: frozenset[str]
    comments: dict[str, str]
    max_points: float
    waiting: float
    penalty: float


def write_feedback(
    course: Course, assignment: str, students: Sequence[str] | None = None
) -> list[Path]:
    """Write ``feedback/<student>/<assignment>/<assignment>.html`` for graded students.

    Parameters
    ----------
    course : Course
        Its folder.
    assignment : str
        Name of the assignment.
    students : sequence of str, optional
        Whose; by default everybody's who has been graded.

    Returns
    -------
    list of Path
        The pages, in the order of the students.

    Raises
    ------
    CourseError
        If one of `students` has not been graded.
    """
    folder = course.grading(assignment) / "verdicts"
    graded = sorted(path.stem for path in folder.glob("*.json"))
    for student in students or ():
        if student not in graded:
            raise CourseError(
                f"{student} has not been graded: run `mlsys-grade grade {assignment}`"
            )
    pages = []
    roster = load_roster(course, assignment)
    with Book(course, assignment) as book:
        for student in graded if students is None else sorted(set(students)):
            text = course.verdict(assignment, student).read_text(encoding="utf-8")
            known = roster.get(student)
            name = f"{known.first_name} {known.last_name}".strip() or known.name
            html = render(_page(Verdict.from_json(text), _marks(book, student), name))
            path = course.root / "feedback" / student / assignment / f"{assignment}.html"
            write_atomically(path, html.encode(), mode=0o600)
            pages.append(path)
    return pages


def render(page: Page) -> str:
    """Return the page as HTML, every text in it escaped."""
    return _template().render(page=page)


@cache
def _template() -> Template:
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        # Escaping leaves what a terminal or the direction of writing obeys; this leaves nothing.
        finalize=lambda value: plain_text(value, CODE_CHARACTERS) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = _points
    return environment.get_template("feedback.html.jinja")


def _points(number: float) -> str:
    """Return points with two decimals at most, and a sign that looks like one."""
    return f"{number:.2f}".rstrip("0").rstrip(".").replace("-", "\N{MINUS SIGN}")


def _marks(book: Book, student: str) -> _Marks:
    """Return what the gradebook has; nothing for a verdict that is not saved there yet."""
    try:
        found = book.gradebook.find_submission(book.assignment, student)
    except MissingEntry:
        raise CourseError(
            f"the marks of {student} are not saved: run `mlsys-grade grade {book.assignment}`"
        ) from None
    grades = [grade for notebook in found.notebooks for grade in notebook.grades]
    comments = [comment for notebook in found.notebooks for comment in notebook.comments]
    return _Marks(
        {one.name: None if one.needs_manual_grade else one.score for one in grades},
        frozenset(one.name for one in grades if one.manual_score is not None),
        {one.name: one.comment for one in comments if one.comment},
        found.max_score,
        sum(one.max_score for one in grades if one.needs_manual_grade),
        found.late_submission_penalty or 0.0,
    )


def _page(verdict: Verdict, marks: _Marks, name: str) -> Page:
    notebook: dict[str, Any] = verdict.notebook or {"metadata": {}, "cells": []}
    reached = sum(points or 0.0 for points in marks.points.values())
    return Page(
        title=str(notebook["metadata"].get("mlsys", {}).get("title", verdict.assignment)),
        student=verdict.student,
        name=name,
        status=verdict.status,
        reasons=tuple(filter(None, verdict.reason.split("; "))),
        restored=bool(verdict.tampered),
        points=max(0.0, reached - marks.penalty),
        max_points=marks.max_points,
        waiting=marks.waiting,
        penalty=marks.penalty,
        sections=tuple(_sections(verdict, marks, notebook["cells"])),
    )


def _sections(
    verdict: Verdict, marks: _Marks, cells: Sequence[dict[str, Any]]
) -> Iterable[Section]:
    own = {_name(cell): cell for cell in cells if _is_students(cell)}
    exercises = dict.fromkeys(question.exercise for question in verdict.questions)
    titles = {
        cell["metadata"]["mlsys"]["exercise"]: cell["metadata"]["mlsys"]["title"]
        for cell in cells
        if cell["metadata"].get("mlsys", {}).get("title")
    }
    for exercise in exercises:
        questions = [one for one in verdict.questions if one.exercise == exercise]
        failed = {(one.cell, one.line) for one in questions}
        shown = [name for name, cell in own.items() if _exercise(cell) == exercise]
        shown += [name for name, _ in sorted(failed, key=str) if name in own and name not in shown]
        yield Section(
            str(titles.get(exercise, exercise)),
            tuple(_question(one, marks) for one in questions),
            tuple(_block(own[name], failed, marks.comments.get(name, "")) for name in shown),
        )


def _is_students(cell: dict[str, Any]) -> bool:
    """Whether a cell's text is the student's: an answer, or a cell that the student added."""
    marked = cell["metadata"].get("nbgrader")
    if marked is None:
        return cell["cell_type"] == "code" and "name" in cell["metadata"]
    return bool(marked.get("solution"))


def _name(cell: dict[str, Any]) -> str:
    metadata = cell["metadata"]
    return str(metadata["nbgrader"]["grade_id"] if "nbgrader" in metadata else metadata["name"])


def _exercise(cell: dict[str, Any]) -> str:
    metadata = cell["metadata"]
    if "nbgrader" not in metadata:
        return ""
    return str(metadata.get("mlsys", {}).get("exercise", metadata["nbgrader"]["grade_id"]))


def _question(found: QuestionVerdict, marks: _Marks) -> Question:
    points = marks.points.get(found.grade_id, found.points)
    question = Question(
        KINDS[found.kind],
        points,
        found.max_points,
        IN_WORDS[found.status],
        found.message,
        plain_text(found.output, OUTPUT_CHARACTERS),
    )
    if points is None:
        return replace(question, happened=IN_WORDS["needs_manual_grade"])
    if found.grade_id in marks.by_hand:
        return replace(question, happened="Marked by a person.")
    if found.status == "graded":
        return replace(question, happened="Passed." if question.state == "full" else "Not passed.")
    return question


def _block(cell: dict[str, Any], failed: set[tuple[str, int | None]], comment: str) -> Block:
    name, source = _name(cell), plain_text(cell["source"], CODE_CHARACTERS).rstrip()
    if cell["cell_type"] != "code":
        return Block(name, text=source.replace(INVISIBLE, ""), comment=comment)
    lines = enumerate(source.split("\n"), start=1)
    code = tuple(Line(text, (name, number) in failed) for number, text in lines)
    return Block(name, lines=code, comment=comment)
