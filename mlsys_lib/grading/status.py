"""Where the grading of an assignment stands: a line a student, and what a person should look at."""

import json
from collections import Counter, deque
from dataclasses import asdict, dataclass

from nbgrader.api import Gradebook

from mlsys_lib.grading.course import Course, CourseError
from mlsys_lib.grading.inert import plain_text
from mlsys_lib.grading.journal import Journal
from mlsys_lib.grading.marker import Marker, fingerprint
from mlsys_lib.grading.marks import Mark, marks
from mlsys_lib.grading.student import another_name
from mlsys_lib.grading.verdict import Verdict
from mlsys_lib.grading.words import NOT_GRADED, NOT_SUBMITTED

HEADINGS = ("student", "status", "points", "handed in (UTC)", "to look at")
FEW = 3  # names in one line


@dataclass(frozen=True)
class Line:
    """One student.

    Attributes
    ----------
    student, status : str
        As in the verdict, or ``not_graded``, ``not_submitted``.
    score : float or None
        Points less the penalty for being late; None while somebody must look.
    max_score : float
        Points that can be reached.
    submitted : str or None
        When it was handed in, UTC; None if unknown.
    outdated : bool
        Whether another file was handed in since it was graded.
    reason : str
        Why it is `invalid` or `tampered`.
    tampered : tuple of str
        Cells that were restored.
    similar : tuple of (str, float)
        What the answers resemble, and which share of it they hold.
    notes : tuple of str
        Faults of the author's tests.
    claimed : str
        Another name that the notebook gives as STUDENT: its numbers may be that one's.
    """

    student: str
    status: str
    score: float | None
    max_score: float
    submitted: str | None = None
    outdated: bool = False
    reason: str = ""
    tampered: tuple[str, ...] = ()
    similar: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    claimed: str = ""

    @property
    def remarks(self) -> str:
        """What a person should look at, in words."""
        similar = [f"{share:.0%} of {what}" for what, share in self.similar]
        parts = [
            "a newer file waits: grade again" if self.outdated else "",
            self.reason if self.status == "invalid" else "",
            f"restored: {_names(self.tampered)}" if self.tampered else "",
            f"says STUDENT = {plain_text(self.claimed, 80)!r}" if self.claimed else "",
            f"similar: {_names(similar)}" if similar else "",
            f"faulty test: {_names(self.notes)}" if self.notes else "",
        ]
        return "; ".join(filter(None, parts))


@dataclass(frozen=True)
class Standing:
    """All students of an assignment, and the last run.

    Attributes
    ----------
    assignment : str
        Its name.
    lines : tuple of Line
        Sorted by student.
    last_run : str
        When the last run ended, or that it was stopped.
    """

    assignment: str
    lines: tuple[Line, ...]
    last_run: str

    @property
    def counts(self) -> Counter[str]:
        """How many students have each status."""
        return Counter(line.status for line in self.lines)

    @property
    def pending(self) -> int:
        """How many of the graded wait for a person."""
        waiting = [line for line in self.lines if line.score is None]
        return sum(line.status not in (NOT_GRADED, NOT_SUBMITTED) for line in waiting)

    def to_json(self) -> str:
        """Return the same as data."""
        lines = [asdict(line) for line in self.lines]
        document = {"assignment": self.assignment, "last_run": self.last_run, "students": lines}
        counts = {"counts": dict(self.counts), "pending": self.pending}
        return json.dumps(document | counts, indent=1)

    def __str__(self) -> str:
        rows = [HEADINGS, *map(_row, self.lines)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        counts = ", ".join(f"{number} {status}" for status, number in self.counts.most_common())
        waiting = f"; {self.pending} wait for a person's mark" if self.pending else ""
        summary = f"{len(self.lines)} students: {counts}{waiting}; last run: {self.last_run}"
        return "\n".join([*table, "", summary])


def status(course: Course, assignment: str) -> Standing:
    """Return where the grading of an assignment stands.

    Raises
    ------
    CourseError
        If the assignment was not released.
    """
    course.require()
    if not course.gradebook.exists():
        raise CourseError(f"{assignment} was not released: run `mlsys-grade release {assignment}`")
    with Gradebook(course.db_url, "") as gradebook:
        lines = [_line(course, assignment, mark) for mark in marks(gradebook, assignment)]
    return Standing(assignment, tuple(lines), _last_run(course, assignment))


def _line(course: Course, assignment: str, mark: Mark) -> Line:
    student = mark.student.student
    submitted = f"{mark.submitted:%Y-%m-%d %H:%M:%S}" if mark.submitted else None
    line = Line(student, mark.status, mark.score, mark.max_score, submitted)
    path = course.verdict(assignment, student)
    if mark.status in (NOT_GRADED, NOT_SUBMITTED) or not path.exists():
        return line
    verdict = Verdict.from_json(path.read_text(encoding="utf-8"))
    now = fingerprint(course.submitted(assignment, student))
    return Line(
        *(line.student, line.status, line.score, line.max_score, line.submitted),
        outdated=now != Marker.read(course, assignment, student).submission,
        reason=verdict.reason,
        tampered=verdict.tampered,
        similar=verdict.similarity,
        notes=verdict.notes,
        claimed=another_name(verdict.notebook, student) if verdict.notebook else "",
    )


def _row(line: Line) -> tuple[str, ...]:
    score = "" if line.score is None else f"{line.score:g}"
    points = f"{score or '–'} / {line.max_score:g}"
    return (line.student, line.status, points, line.submitted or "", line.remarks)


def _names(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more


def _last_run(course: Course, assignment: str) -> str:
    """Return when the last run ended, from the journal."""
    events = deque(Journal(course.grading(assignment) / "journal").events(), maxlen=1)
    if not events:
        return "never"
    ended = "ended" if events[0]["event"] == "end" else "has not ended; its last line was written"
    how = "" if events[0].get("sandbox", True) else ", WITHOUT A SANDBOX"
    return f"{ended} {events[0]['time'][:19].replace('T', ' ')} UTC{how}"
