"""Bring in what students handed in: from the folder or zip that a learning platform exports.

Each notebook lands in ``submitted/<student>/<assignment>/<assignment>.ipynb``, where nbgrader
looks for it, with a ``timestamp.txt`` where the time of handing in is known. What is in it is not
looked at: the grader does that, and says what it cannot grade. A file that stays out is listed with
its reason, never dropped. The same export collected twice changes nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from mlsys_lib.grading.archive import Entry, Unreadable, opened, read_file
from mlsys_lib.grading.candidates import Candidate, Sorter, no_submission, printable
from mlsys_lib.grading.course import Course, write_atomically
from mlsys_lib.grading.lms import METADATA, Naming, read_metadata, wrapper
from mlsys_lib.grading.preflight import MAX_FILE_BYTES
from mlsys_lib.grading.roster import load_roster, read_roster, save_roster

# One byte more than the grader reads: what is cut here is refused there as too large.
MAX_BYTES = MAX_FILE_BYTES + 1
MAX_METADATA_BYTES = 64 * 2**20
OUTCOMES = ("collected", "replaced", "unchanged")
TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"  # nbgrader's


@dataclass(frozen=True)
class CollectReport:
    """What became of an export; `print` it.

    Attributes
    ----------
    collected, replaced, unchanged : tuple of str
        Students: new, with another file than before, with the same file.
    skipped : tuple of (str, str)
        Each file that was left aside, and why.
    late : tuple of str
        Students whose file the platform marked as late without saying when it came.
    missing : tuple of str
        Students known who have handed in nothing yet.
    strangers : tuple of str
        Whose work is in the course, but who are not in the roster: perhaps under an old name.
    """

    assignment: str
    collected: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    late: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"{self.assignment}: {len(self.collected)} collected, {len(self.replaced)} replaced, "
            f"{len(self.unchanged)} unchanged, {len(self.skipped)} files left aside"
        ]
        for words, students in (
            ("replaced", self.replaced),
            ("late, but the export does not say how late", self.late),
            ("nothing handed in", self.missing),
            ("in submitted/, but not in the roster", self.strangers),
        ):
            lines += [f"  {words}: {', '.join(students)}"] if students else []
        lines += [f"  left aside: {printable(path)}: {why}" for path, why in self.skipped]
        return "\n".join(lines)


def collect(
    course: Course,
    assignment: str,
    source: Path,
    pattern: str | None = None,
    roster: Path | None = None,
) -> CollectReport:
    """Copy an export's notebooks into the course.

    Parameters
    ----------
    course : Course
        Where to.
    assignment : str
        Name of the assignment.
    source : Path
        A folder or a zip, as Canvas, Moodle or Gradescope export it, or plain.
    pattern : str, optional
        A regular expression with a group ``(?P<student>…)``, searched in each file's path, instead
        of the names known by `lms`.
    roster : Path, optional
        A CSV of the students, see `roster`; a file of somebody else is then left aside.
        Without one, students are called by the name in the export.

    Raises
    ------
    ValueError
        If an argument is no such thing; the course is unchanged then.
    """
    compiled = _compiled(pattern)
    known = load_roster(course, assignment)
    if roster is not None:
        # Names that an export gave before the roster came are nobody's any more.
        known = known.listed().merged(read_roster(roster))
    with opened(source) as entries:
        sorter = Sorter(_naming(entries, assignment, compiled), known, strict=roster is not None)
        chosen = sorter.choose(entries)
        became = {one.student: _place(course, assignment, one) for one in chosen}
    known = known.merged(one.identity for one in chosen)
    save_roster(course, assignment, known)
    collected, replaced, unchanged = (
        tuple(student for student, what in became.items() if what == outcome)
        for outcome in OUTCOMES
    )
    unread = [(one.entry.path, became[one.student]) for one in chosen]
    unread = [(path, why) for path, why in unread if why not in OUTCOMES]
    return CollectReport(
        assignment,
        collected,
        replaced,
        unchanged,
        skipped=tuple(sorted(sorter.skipped + unread)),
        late=tuple(one.student for one in chosen if one.owner.late and not one.when),
        missing=tuple(
            one.student for one in known if not course.submitted(assignment, one.student).exists()
        ),
        strangers=tuple(
            student
            for student in course.students(assignment)
            if roster is not None and student not in {one.student for one in known}
        ),
    )


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"pattern must be a regular expression, got {pattern!r}: {error}"
        ) from None
    if "student" not in compiled.groupindex:
        raise ValueError(f"pattern must have a group (?P<student>…), got {pattern!r}")
    return compiled


def _naming(entries: Sequence[Entry], assignment: str, pattern: re.Pattern[str] | None) -> Naming:
    """Find out how an export names its files.

    Gradescope's metadata counts only beside the students' folders: one could hand in such a file.
    """
    folders = wrapper([one.path for one in entries if not no_submission(one.path)], assignment)
    naming = Naming(assignment, folders, pattern)
    for entry in entries:
        if naming.is_metadata(entry.path):
            try:
                metadata = read_metadata(entry.read(MAX_METADATA_BYTES))
            except Unreadable as error:
                raise ValueError(f"{METADATA} {error}") from None
            return replace(naming, metadata=metadata)
    return naming


def _place(course: Course, assignment: str, one: Candidate) -> str:
    """Put one file where it belongs; return one of OUTCOMES, or else why it stays aside."""
    from mlsys_lib.grading.gradebook import read_timestamp  # costs nbgrader's second

    try:
        content = one.entry.read(MAX_BYTES)
    except Unreadable as error:
        return str(error)
    notebook = course.submitted(assignment, one.student)
    stamp = notebook.with_name("timestamp.txt")
    existed = notebook.exists() or notebook.is_symlink()
    if existed:
        if _holds(notebook, content):
            return "unchanged"
        before = read_timestamp(notebook)
        if before and one.when and one.when < before.replace(tzinfo=UTC):
            return f"is older than what {one.student} handed in at {before:{TIME_FORMAT}}"
    if one.when:
        write_atomically(stamp, f"{one.when:{TIME_FORMAT}}".encode())
    else:
        stamp.unlink(missing_ok=True)
    write_atomically(notebook, content)
    return "replaced" if existed else "collected"


def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_file(path, MAX_BYTES) == content
    except Unreadable:
        return False
