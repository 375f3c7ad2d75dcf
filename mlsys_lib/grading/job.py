"""What a worker process does: one submission in, one verdict file out.

A worker starts afresh, so this module imports little; the rest comes with the first submission.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mlsys_lib.grading.context import Context
from mlsys_lib.grading.course import Course, write_atomically
from mlsys_lib.grading.sandbox import Limits, Sandbox
from mlsys_lib.grading.verdict import Verdict


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to grade one student after another.

    Attributes
    ----------
    course, assignment
        Where the files lie, and which of them.
    secret : bytes
        The course's.
    library : Path
        The library without what the assignment withholds.
    limits : Limits
        Of each submission.
    preload : tuple of str
        Modules that the sandbox imports before students' code.
    user : str or None
        Whom the sandbox runs as, when we are root.
    """

    course: Course
    assignment: str
    secret: bytes
    library: Path
    limits: Limits = field(default_factory=Limits)
    preload: tuple[str, ...] = ("numpy",)
    user: str | None = None


def examine(job: Job, student: str) -> Verdict:
    """Return the verdict on one student's submission."""
    from mlsys_lib.grading.execute import grade_submission
    from mlsys_lib.grading.gradebook import read_notebook

    return grade_submission(
        job.course.submitted(job.assignment, student),
        read_notebook(job.course.source(job.assignment)),
        Context(job.assignment, student, job.secret),
        partial(Sandbox, job.library, limits=job.limits, preload=job.preload, user=job.user),
        job.course.private(job.assignment).parent,
    )


def examine_and_write(job: Job, examine: Callable[[Job, str], Verdict], student: str) -> None:
    """Write the verdict on one student's submission into its file."""
    verdict = examine(job, student)
    path = job.course.verdict(job.assignment, student)
    write_atomically(path, verdict.to_json().encode(), 0o600)
