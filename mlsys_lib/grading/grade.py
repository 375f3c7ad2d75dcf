"""Grade every submission of an assignment: in parallel, once each, whatever happens.

Two phases run side by side. Worker processes turn a submission into a verdict, a file of its own.
This process alone writes the gradebook, and then a marker that says for what the marks stand: the
submission's bytes and time, the notebook, the private tests, the secret, the library, the limits.
Both can be done again with the same outcome. So a run that was killed anywhere is continued by the
next one, and nobody is graded twice or not at all.
"""

import fcntl
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import mlsys_lib
from mlsys_lib.grading.course import Course, CourseError, student_name
from mlsys_lib.grading.gradebook import Book, read_notebook, read_timestamp
from mlsys_lib.grading.job import Job, examine, examine_and_write
from mlsys_lib.grading.journal import Journal
from mlsys_lib.grading.marker import Marker, digest, fingerprint
from mlsys_lib.grading.sandbox import UNSAFE, Limits, library_without, require_sandbox
from mlsys_lib.grading.verdict import Verdict
from mlsys_lib.grading.workers import Batch

SPARE_S = 60.0  # beyond a submission's own limit, before its worker is given up
SPARE_BYTES = 2**31  # beyond it, for a worker: the tests', and the answers that they hold


@dataclass
class GradeReport:
    """What a run did.

    Attributes
    ----------
    graded : Counter
        How many submissions were graded now, by status.
    current : int
        How many had been graded before, and nothing has changed since.
    failed : dict
        Who could not be graded, and why; the next run tries them again.
    seconds : float
        What it took.
    """

    graded: Counter[str] = field(default_factory=Counter)
    current: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        statuses = ", ".join(f"{number} {status}" for status, number in self.graded.most_common())
        lines = [
            f"{self.graded.total()} graded in {self.seconds:.0f} s"
            + (f": {statuses}" if statuses else "")
        ]
        if self.current:
            lines.append(f"{self.current} graded before, and unchanged since")
        lines += [f"NOT graded: {student}: {why}" for student, why in sorted(self.failed.items())]
        return "\n".join(lines)


def grade(
    course: Course,
    assignment: str,
    *,
    num_workers: int | None = None,
    limits: Mapping[str, float] | None = None,
    sandbox_user: str | None = None,
    students: Sequence[str] | None = None,
    force: bool = False,
    progress: Callable[[Iterable[Any], str], Iterable[Any]] = lambda items, label: items,
    examine: Callable[[Job, str], Verdict] = examine,
) -> GradeReport:
    """Grade an assignment's submissions, and save the marks.

    Parameters
    ----------
    course, assignment
        A released assignment of a course.
    num_workers : int, optional
        Submissions graded side by side; as many as there are cores by default.
    limits : mapping, optional
        Fields of `Limits` that differ from the assignment's own.
    sandbox_user : str, optional
        Whom the sandbox runs as; must be given by root. `UNSAFE` means no sandbox, and its marks
        hold until a run that has one.
    students : sequence of str, optional
        Only these; all who handed in by default.
    force : bool
        Grade again those whose marks are current.
    progress : callable
        Wraps the submissions as they are done: `mlsys_lib.core.progress.progress` draws a bar.
    examine : callable
        What a worker does with a student; another one is for tests of the run itself.

    Returns
    -------
    GradeReport

    Raises
    ------
    NoSandboxError
        If no sandbox can be had.
    CourseError
        If the assignment was not released, or is being graded by another process.
    """
    start_s = time.monotonic()
    course.require()
    require_sandbox(sandbox_user)
    with locked(course, assignment), Book(course, assignment) as book:
        job = _job(course, assignment, limits or {}, sandbox_user)
        book.check_source(read_notebook(course.source(assignment)))
        _sweep(course, assignment)
        run = _Run(job, book, examine)
        run.choose(_chosen(course.students(assignment), students), force)
        run.work(num_workers or os.cpu_count() or 1, progress)
    run.report.seconds = time.monotonic() - start_s
    return run.report


def _sweep(course: Course, assignment: str) -> None:
    """Remove files that a killed run had not finished writing."""
    for folder in (course.grading(assignment), course.root / "autograded"):
        for path in folder.rglob(".*.tmp"):
            path.unlink()


def _chosen(handed_in: list[str], students: Sequence[str] | None) -> list[str]:
    strangers = sorted(set(students or ()) - set(handed_in))
    if strangers:
        raise CourseError(f"handed in nothing: {', '.join(strangers)}")
    return handed_in if students is None else sorted(students)


@contextmanager
def locked(course: Course, assignment: str) -> Iterator[None]:
    """Hold the assignment's lock, which the system releases when the process ends in any way.

    Raises
    ------
    CourseError
        If another process holds it; says which, and since when.
    """
    path = course.grading(assignment) / "lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read(200).strip() or "another process"
            raise CourseError(f"{assignment} is being graded by {holder}: wait for it") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        file.flush()
        yield


class _Run:
    """One run: who is to be graded, and what became of them."""

    def __init__(self, job: Job, book: Book, examine: Callable[[Job, str], Verdict]) -> None:
        self.job, self.book = job, book
        self.report = GradeReport()
        self._examine = partial(examine_and_write, job, examine)
        self._journal = Journal(job.course.grading(job.assignment) / "journal")
        self._chosen: dict[str, Marker] = {}

    def choose(self, students: Iterable[str], force: bool) -> None:
        """Find out who is to be graded: new, changed, or not saved."""
        same_for_all, known = _stands_for(self.job), self.book.students()
        for student in sorted(students):
            try:
                path = self.job.course.submitted(self.job.assignment, student_name(student))
            except ValueError as error:
                self.report.failed[student] = str(error)
                continue
            submission = fingerprint(path)
            key = digest(same_for_all, str(read_timestamp(path)), submission)
            marker = Marker(key, submission)
            if force or student not in known or marker != self._saved(student):
                self._chosen[student] = marker
            else:
                self.report.current += 1

    def work(
        self, num_workers: int, progress: Callable[[Iterable[Any], str], Iterable[Any]]
    ) -> None:
        """Grade and save whom `choose` found, in the order in which they are done."""
        limits = self.job.limits
        batch = Batch(
            self._examine,
            list(self._chosen),
            num_workers,
            deadline_s=limits.submission_s + SPARE_S,
            memory_bytes=limits.memory_bytes + SPARE_BYTES,
        )
        self._journal.append("start", students=len(batch), current=self.report.current)
        self.book.register(self._chosen)
        for student, _, reason in progress(batch, f"grading {self.job.assignment}"):
            if reason is None:
                reason = self._try_to_save(student)
            if reason is not None:
                self.report.failed[student] = reason
                self._journal.append("not graded", student=student, reason=reason)
        self.book.assign_late_penalties()
        safe = self.job.user != UNSAFE
        self._journal.append("end", graded=self.report.graded.total(), sandbox=safe)

    def _try_to_save(self, student: str) -> str | None:
        """Save the marks; return why that was not possible."""
        try:
            self._save(student)
        except Exception as error:  # a locked database, a full disk: the others still count
            return f"{type(error).__name__}: {error}"
        return None

    def _save(self, student: str) -> None:
        course, assignment = self.job.course, self.job.assignment
        verdict = Verdict.from_json(course.verdict(assignment, student).read_text())
        timestamp = read_timestamp(course.submitted(assignment, student))
        marker = self._chosen[student]
        same_answers = marker.submission == self._saved(student).submission
        self.book.save(verdict, timestamp, same_answers=same_answers)
        # The marker comes last: killed before it, a run is done again, and told again.
        self._journal.append(
            "graded", student=student, status=verdict.status, points=verdict.points
        )
        marker.write(course, assignment, student)
        self.report.graded[verdict.status] += 1

    def _saved(self, student: str) -> Marker:
        return Marker.read(self.job.course, self.job.assignment, student)


def _job(course: Course, assignment: str, limits: Mapping[str, float], user: str | None) -> Job:
    """Read what the notebook asks for, and make the library that its students may import."""
    asked = read_notebook(course.source(assignment)).metadata.get("mlsys", {})
    library = course.grading(assignment) / "library"
    if library.exists():
        shutil.rmtree(library)  # the last run's
    return Job(
        course,
        assignment,
        course.secret(),
        library_without(asked.get("withholds", ()), library),
        Limits(**{**asked.get("limits", {}), **limits}),
        tuple(asked.get("preload", ("numpy",))),
        user,
    )


def _stands_for(job: Job) -> str:
    """Return a digest of all that a mark depends on, besides the submission."""
    private = sorted(job.course.private(job.assignment).glob("*.py"))
    library = Path(mlsys_lib.__file__).parent
    modules = sorted(path for path in library.rglob("*.py") if "explorers" not in path.parts)
    return digest(
        job.secret,
        repr((job.limits, job.preload, job.user == UNSAFE)),
        job.course.source(job.assignment).read_bytes(),
        *(path.name.encode() + b"\0" + path.read_bytes() for path in [*private, *modules]),
    )
