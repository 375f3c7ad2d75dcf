"""What the grader found out about one submission: plain data, written to one JSON file.

A verdict is made by `execute.grade_submission`, saved in the gradebook, and read by feedback,
export and status.

>>> overall(["graded", "needs_manual_grade", "timeout"])
'timeout'
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from mlsys_lib.grading.faults import Status

Kind = Literal["public", "hidden", "manual"]

# The status of a submission is the first of these that it, or one of its questions, has.
PRECEDENCE: tuple[Status, ...] = (
    "invalid",
    "tampered",
    "memory",
    "died",
    "timeout",
    "student_error",
    "needs_manual_grade",
    "graded",
)


def overall(statuses: Iterable[Status]) -> Status:
    """Return the most serious of `statuses`; `graded` if there is none."""
    return min(statuses, key=PRECEDENCE.index, default="graded")


@dataclass(frozen=True)
class QuestionVerdict:
    """One test cell, or one text answer.

    The student may read all of it.

    Attributes
    ----------
    grade_id : str
        nbgrader's id of the cell.
    exercise : str
        The exercise that the cell belongs to.
    kind : {"public", "hidden", "manual"}
        Who sees the test; `manual` is a text that a person marks.
    status : Status
        What happened; the points follow from it only together with the tests.
    points : float or None
        Points reached; None while a person has yet to mark it. Pending is not 0.
    max_points : float
        Points that can be reached.
    message : str
        What the student is told; empty when there is nothing to say. Never a hidden value.
        Holds the student's own words: escape it.
    output : str
        What the student's code printed, cut; always empty for a hidden test. Escape it.
    cell : str
        Name of the student's cell that failed: a grade_id, or "cell 7" for a cell of the
        student's own; empty when none is known.
    line : int or None
        Line of that cell, from 1.
    """

    grade_id: str
    exercise: str
    kind: Kind
    status: Status
    points: float | None
    max_points: float
    message: str = ""
    output: str = ""
    cell: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Verdict:
    """One submission.

    Attributes
    ----------
    assignment, student : str
        Names of the assignment and of the student.
    status : Status
        The most serious of all; see `PRECEDENCE`.
    reason : str
        Why it is `invalid`; else which cells were restored, and which of the student's cells did
        not run to their end. The student may read it.
    questions : tuple of QuestionVerdict
        In the order of the assignment; empty for `invalid`.
    notebook : dict or None
        The clean notebook with our outputs, nbformat 4 JSON. It holds the hidden tests:
        it is for autograded/ and the instructor. None for `invalid`.
    tampered : tuple of str
        The cells that the student had changed and that were restored.
    similarity : tuple of (str, float)
        What the answers resemble, and which share of it they hold. For the instructor.
    digest : str
        SHA-256 of the submission's bytes, in hex; empty when they could not be read.
    notes : tuple of str
        Faults of the author's tests. For the instructor.
    """

    assignment: str
    student: str
    status: Status
    reason: str = ""
    questions: tuple[QuestionVerdict, ...] = ()
    notebook: dict[str, Any] | None = None
    tampered: tuple[str, ...] = ()
    similarity: tuple[tuple[str, float], ...] = ()
    digest: str = ""
    notes: tuple[str, ...] = ()

    @property
    def pending(self) -> bool:
        """Whether a person has yet to look: an invalid file, or an answer without points."""
        return self.status == "invalid" or any(q.points is None for q in self.questions)

    @property
    def points(self) -> float | None:
        """Points reached so far; None for an invalid file, which has no mark."""
        if self.status == "invalid":
            return None
        return sum(question.points or 0.0 for question in self.questions)

    @property
    def max_points(self) -> float:
        """Points that can be reached; 0 for an invalid file."""
        return sum(question.max_points for question in self.questions)

    def to_json(self) -> str:
        """Return the verdict as JSON text, the same for the same verdict."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        """Return the verdict that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is torn, or not a verdict.
        """
        found = json.loads(text)
        _check_fields(cls, found)
        for question in found["questions"]:
            _check_fields(QuestionVerdict, question)
        return cls(
            **found
            | {
                "questions": tuple(QuestionVerdict(**q) for q in found["questions"]),
                "tampered": tuple(found["tampered"]),
                "similarity": tuple((what, share) for what, share in found["similarity"]),
                "notes": tuple(found["notes"]),
            }
        )


def _check_fields(kind: type[Any], found: object) -> None:
    names = {field.name for field in fields(kind)}
    if not isinstance(found, Mapping) or set(found) != names:
        raise ValueError(f"a {kind.__name__} must have the fields {', '.join(sorted(names))}")
    if found["status"] not in get_args(Status):
        raise ValueError(f"status must be one of {get_args(Status)}, got {found['status']!r}")
