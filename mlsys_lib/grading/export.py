"""Marks as CSV, in the columns that Canvas, Moodle, Gradescope and nbgrader expect.

A mark that waits for a person is an empty cell, never a 0, and so is that of a student who handed
in nothing; the platforms leave the mark they have where a cell is empty. The file is the same for
the same marks. Each format is an export plugin of nbgrader, so ``nbgrader export --exporter
mlsys_lib.grading.export.Canvas`` works too.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin, ExportPlugin
from traitlets import Unicode

from mlsys_lib.grading.course import Course, CourseError, write_atomically
from mlsys_lib.grading.gradebook import Book, settings
from mlsys_lib.grading.marks import Mark, marks
from mlsys_lib.grading.roster import Identity
from mlsys_lib.grading.words import IN_WORDS, NOT_SUBMITTED, WAITING

Cell = str | float | None
# What a spreadsheet takes for a formula, at the start of a cell.
_FORMULA = re.compile(r"\s*[=+\-@]")


def export(
    course: Course,
    assignment: str,
    format: str,
    destination: Path | None = None,
    column: str = "",
    say: Callable[[str], object] = lambda words: None,
) -> Path:
    """Write the marks of an assignment.

    Parameters
    ----------
    course : Course
        Where from.
    assignment : str
        Name of the assignment.
    format : {"nbgrader", "canvas", "moodle", "gradescope"}
        Whose columns.
    destination : Path, optional
        The file to write; by default ``exports/<assignment>-<format>.csv`` in the course.
    column : str, optional
        For Canvas: the heading of the assignment as its own export has it, such as
        ``Ring (4711)``. By default the assignment's name, which Canvas looks up by title.
    say : callable
        Is told whom the platform will not find.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If there is no such format.
    CourseError
        If the assignment is not in the gradebook, or Moodle could match nobody.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    path = destination or course.root / "exports" / f"{assignment}-{format}.csv"
    plugin = FORMATS[format](config=settings(course), to=str(path), assignment=[assignment])
    if isinstance(plugin, _OneAssignment):
        plugin.say = say
    if column and isinstance(plugin, Canvas):
        plugin.column = column
    with Book(course, assignment) as book:
        plugin.export(book.gradebook)
    return path


class _OneAssignment(ExportPlugin):  # type: ignore[misc]  # nbgrader has no types
    """A file of one assignment; subclasses know the columns."""

    say: Callable[[str], object]

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.say = self.log.warning  # where nbgrader's own command exports

    def export(self, gradebook: Gradebook) -> None:
        """Write the file `to`."""
        if len(self.assignment) != 1:
            raise ValueError(f"assignment must name exactly one, got {list(self.assignment)}")
        name = self.assignment[0]
        found = [
            mark
            for mark in marks(gradebook, name)
            if not self.student or mark.student.student in self.student
        ]
        _write(Path(self.to or f"{name}.csv"), self.rows(name, found))

    def rows(self, assignment: str, marks: list[Mark]) -> Iterator[list[Cell]]:
        """Yield the lines of the file, headings first."""
        raise NotImplementedError


class Canvas(_OneAssignment):
    """What Canvas imports into its gradebook.

    It wants these five columns up to Section and takes each one after them for an assignment, so
    there is no room for a status. A student is found by the first of ID, SIS Login ID and name.
    """

    column = Unicode("", help="the assignment's heading in Canvas, with its number").tag(
        config=True
    )

    def rows(self, assignment: str, marks: list[Mark]) -> Iterator[list[Cell]]:
        """Yield headings, the points possible, and a line a student."""
        strangers = [mark.student.student for mark in marks if not mark.student.listed]
        if len(strangers) < len(marks):  # there is a roster
            for student in strangers:
                self.say(f"Canvas may not find {student}: not in the roster")
        heading = self.column or assignment
        yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", heading]
        yield ["    Points Possible", None, None, None, None, _max_score(marks)]
        for mark in marks:
            one = mark.student
            # Canvas takes any line with these words for the one above.
            name = _sortable(one).replace("Points Possible", "Points-Possible")
            yield [safe(name), safe(one.lms_id), None, safe(one.student), None, mark.score]


class Moodle(_OneAssignment):
    """What Moodle takes back as an assignment's grading worksheet.

    A student is found by the Identifier alone, which is new in each assignment: collect with the
    worksheet as roster. There is no time of the last change in here, so tick "update records that
    have been modified more recently in the database" when marks change later.
    """

    def rows(self, assignment: str, marks: list[Mark]) -> Iterator[list[Cell]]:
        """Yield headings and a line a student; our status is in the comment."""
        unknown = [mark.student.student for mark in marks if not mark.student.lms_id]
        if len(unknown) == len(marks):
            raise CourseError(
                "Moodle knows nobody here: run `mlsys-grade collect` with Moodle's own names, or "
                "with the assignment's grading worksheet as --roster"
            )
        for student in unknown:
            self.say(f"Moodle will pass over {student}: no participant number")
        yield [
            "Identifier", "Full name", "Email address", "Status", "Grade", "Maximum grade",
            "Grade can be changed", "Last modified (submission)", "Last modified (grade)",
            "Feedback comments",
        ]  # fmt: skip
        for mark in marks:
            one = mark.student
            handed_in = mark.status != NOT_SUBMITTED
            yield [
                safe(f"Participant {one.number}" if one.lms_id else ""),
                safe(_full_name(one)),
                safe(one.email),
                "Submitted for grading" if handed_in else "No submission",
                mark.score,
                mark.max_score,
                "Yes",
                "-",
                "-",
                _comment(mark) if handed_in else "",
            ]


class Gradescope(_OneAssignment):
    """The columns of Gradescope's own file of scores, for whatever reads that."""

    def rows(self, assignment: str, marks: list[Mark]) -> Iterator[list[Cell]]:
        """Yield headings and a line a student, the status in Gradescope's three words."""
        yield [
            "First Name", "Last Name", "SID", "Email", "Sections", "Total Score", "Max Points",
            "Status", "Submission ID", "Submission Time", "Lateness (H:M:S)",
        ]  # fmt: skip
        for mark in marks:
            one = mark.student
            first, last = (one.first_name, one.last_name) if one.last_name else (one.name, "")
            names = [safe(text) for text in (first, last, one.student, one.email)]
            state = "Ungraded" if mark.score is None else "Graded"
            if mark.status == NOT_SUBMITTED:
                state = "Missing"
            when = f"{mark.submitted:%Y-%m-%d %H:%M:%S} +0000" if mark.submitted else None
            late = _clock(mark.late_s) if mark.submitted else None
            yield [*names, None, mark.score, mark.max_score, state, None, when, late]


class Nbgrader(CsvExportPlugin):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's own columns, and the status; of several assignments if asked."""

    def export(self, gradebook: Gradebook) -> None:
        """Write the file `to`."""
        names = [one.name for one in gradebook.assignments]
        missing = set(self.assignment) - set(names)
        if missing:
            raise CourseError(f"{sorted(missing)[0]} was not released")
        wanted = [name for name in sorted(names) if not self.assignment or name in self.assignment]
        _write(Path(self.to or "grades.csv"), self.rows(gradebook, wanted))

    def rows(self, gradebook: Gradebook, assignments: list[str]) -> Iterator[list[Cell]]:
        """Yield headings and a line a student and assignment."""
        yield [
            "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
            "raw_score", "late_submission_penalty", "score", "max_score", "status",
        ]  # fmt: skip
        for name in assignments:
            due = gradebook.find_assignment(name).duedate
            for mark in marks(gradebook, name):
                one = mark.student
                if self.student and one.student not in self.student:
                    continue
                yield [
                    name,
                    str(due or ""),
                    str(mark.submitted or ""),
                    *map(safe, (one.student, one.last_name, one.first_name, one.email)),
                    *(mark.raw_score, mark.penalty, mark.score, mark.max_score),
                    mark.status,
                ]


FORMATS: dict[str, Callable[..., ExportPlugin]] = {
    "nbgrader": Nbgrader,
    "canvas": Canvas,
    "moodle": Moodle,
    "gradescope": Gradescope,
}


def safe(text: str) -> str:
    """Return a stranger's text as a cell that no spreadsheet calculates and that is one line.

    >>> safe("=cmd|' /C calc'!A0"), safe("Ada")
    ("'=cmd|' /C calc'!A0", 'Ada')
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    return f"'{line}" if _FORMULA.match(line) else line


def _write(path: Path, rows: Iterator[list[Cell]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([_points(cell) if isinstance(cell, float) else cell for cell in row])
    write_atomically(path, text.getvalue().encode(), mode=0o600)


def _points(number: float) -> str:
    """Return points with at most four decimals, in the same text for the same marks."""
    return f"{number:.4f}".rstrip("0").rstrip(".")


def _max_score(marks: list[Mark]) -> float | None:
    return marks[0].max_score if marks else None


def _comment(mark: Mark) -> str:
    """Return what the student reads beside the mark; of our words alone, as Moodle takes HTML."""
    waits = mark.score is None and mark.status not in WAITING
    return IN_WORDS[mark.status] + (f" {IN_WORDS['needs_manual_grade']}" if waits else "")


def _sortable(one: Identity) -> str:
    if one.last_name:
        return f"{one.last_name}, {one.first_name}".rstrip(", ")
    return one.name or one.student


def _full_name(one: Identity) -> str:
    return f"{one.first_name} {one.last_name}".strip() or one.name or one.student


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
