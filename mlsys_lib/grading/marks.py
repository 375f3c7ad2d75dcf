"""What each student of a course has reached: nbgrader's marks, with our status beside them.

A mark that waits for a person is None, never 0, and so is that of a student who handed in nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from nbgrader.api import Gradebook, Student, SubmittedAssignment

from mlsys_lib.grading.course import Course, CourseError
from mlsys_lib.grading.roster import Identity, load_roster
from mlsys_lib.grading.verdict import Verdict
from mlsys_lib.grading.words import NOT_GRADED, NOT_SUBMITTED


@dataclass(frozen=True)
class Mark:
    """One student's line, whatever the platform.

    Attributes
    ----------
    student : Identity
        Who it is.
    status : str
        The verdict's status, or "not_graded", "not_submitted".
    max_score : float
        Points that can be reached.
    raw_score, penalty : float or None
        Points, and how many are taken off for being late; None while somebody must look.
    submitted : datetime or None
        When it was handed in, UTC; None if unknown.
    late_s : float
        Seconds after the due date and the student's extension.
    """

    student: Identity
    status: str
    max_score: float
    raw_score: float | None = None
    penalty: float | None = None
    submitted: datetime | None = None
    late_s: float = 0.0

    @property
    def score(self) -> float | None:
        """Points less the penalty, as nbgrader has it."""
        if self.raw_score is None or self.penalty is None:
            return None
        return max(0.0, self.raw_score - self.penalty)


def marks(gradebook: Gradebook, assignment: str) -> list[Mark]:
    """Return a mark for each student known of, sorted by student.

    Raises
    ------
    CourseError
        If the gradebook does not have the assignment.
    """
    course = Course(Path(gradebook.engine.url.database).parent)
    known = {one.name: one for one in gradebook.assignments}
    if assignment not in known:
        raise CourseError(f"{assignment} was not released: run `mlsys-grade release {assignment}`")
    submissions = {one.student_id: one for one in gradebook.assignment_submissions(assignment)}
    roster = load_roster(course, assignment).merged(map(_identity, gradebook.students))
    found = []
    for one in roster:
        submission = submissions.get(one.student)
        mark = Mark(one, NOT_SUBMITTED, known[assignment].max_score)
        if submission is not None:
            mark = _marked(mark, submission, course.verdict(assignment, one.student))
        elif course.submitted(assignment, one.student).exists():
            mark = replace(mark, status=NOT_GRADED)
        found.append(mark)
    return found


def _marked(mark: Mark, submission: SubmittedAssignment, verdict: Path) -> Mark:
    """Return `mark` with what nbgrader's gradebook and the verdict say."""
    pending = submission.needs_manual_grade
    status: str = "graded"
    if verdict.exists():
        status = Verdict.from_json(verdict.read_text(encoding="utf-8")).status
    if status in ("needs_manual_grade", "invalid", "graded"):  # a person may have looked since
        waits = "invalid" if status == "invalid" else "needs_manual_grade"
        status = waits if pending else "graded"
    return replace(
        mark,
        status=status,
        raw_score=None if pending else submission.score,
        penalty=None if pending else submission.late_submission_penalty or 0.0,
        submitted=submission.timestamp,
        late_s=submission.total_seconds_late,
    )


def _identity(student: Student) -> Identity:
    first, last, email = student.first_name, student.last_name, student.email
    return Identity(student.id, first_name=first or "", last_name=last or "", email=email or "")
