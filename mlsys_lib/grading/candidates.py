"""Which file of an export is which student's submission; of each other file, why it is not."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from mlsys_lib.grading.archive import Entry
from mlsys_lib.grading.course import student_name
from mlsys_lib.grading.lms import Naming, Owner
from mlsys_lib.grading.roster import Identity, Roster

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    """A file that may be a student's submission, and when it was handed in, UTC, if known."""

    identity: Identity
    owner: Owner
    entry: Entry
    when: datetime | None

    @property
    def student(self) -> str:
        """The student's id in the course."""
        return self.identity.student

    def order(self, assignment: str) -> tuple[bool, datetime, int, int, str]:
        """Sort the files of one student, the one to take last."""
        named, upload, version = self.owner.rank(assignment)
        return named, self.when or LONG_AGO, upload, version, self.entry.path


class Sorter:
    """Finds each student's file, and notes why others stay aside.

    Parameters
    ----------
    naming : Naming
        How the export names its files.
    known : Roster
        The students known so far.
    strict : bool
        Whether a student outside of `known` is left aside, rather than named by the export.
    """

    def __init__(self, naming: Naming, known: Roster, *, strict: bool) -> None:
        self.naming = naming
        self.known = known
        self.strict = strict
        self.skipped: list[tuple[str, str]] = []

    def choose(self, entries: Iterable[Entry]) -> list[Candidate]:
        """Return one candidate a student, in the order of their ids."""
        by_student: dict[str, list[Candidate]] = defaultdict(list)
        for entry in entries:
            for one in self._candidates(entry):
                # Folders of a Mac or of Windows do not tell Ada from ada.
                by_student[one.student.casefold()].append(one)
        chosen = [self._best(by_student[key]) for key in sorted(by_student)]
        return [one for one in chosen if one is not None]

    def _candidates(self, entry: Entry) -> list[Candidate]:
        if self.naming.is_metadata(entry.path):
            return []
        reason = no_submission(entry.path)
        owners = [] if reason else self.naming.owners(entry.path)
        if not owners:
            self.skipped.append((entry.path, reason or "nobody's name is in its path"))
        found = []
        for owner in owners:
            try:
                identity = self._identity(owner)
            except ValueError as error:
                self.skipped.append((entry.path, str(error)))
            else:
                found.append(Candidate(identity, owner, entry, _time(identity, owner, entry)))
        return found

    def _identity(self, owner: Owner) -> Identity:
        """Return who it is; raise ValueError with the reason where that is not certain."""
        found = self.known.find(owner.ids, owner.name)
        if len(found) > 1:
            names = ", ".join(one.student for one in found)
            raise ValueError(f"could be any of {names}: give a roster with the platform's ids")
        if found:
            one = found[0]
            if owner.lms_id and one.lms_id and owner.lms_id != one.number:
                raise ValueError(f"has number {owner.lms_id}, but {one.student} has {one.lms_id}")
            if owner.email and one.email and owner.email.casefold() != one.email.casefold():
                raise ValueError(f"is by {owner.email}, but {one.student} is {one.email}")
            return replace(one, lms_id=one.lms_id or owner.lms_id)
        if self.strict:
            raise ValueError("its student is not in the roster")
        new = Identity(
            _student_id(owner.login or owner.name), owner.lms_id, owner.name, email=owner.email
        )
        if self.known.get(new.student).name not in ("", new.name):
            raise ValueError(f"would be called {new.student}, as somebody else: give a roster")
        return new

    def _best(self, candidates: list[Candidate]) -> Candidate | None:
        """Return the file to take of one student's; none if two students share the id."""
        people = {(one.student, one.identity.lms_id, one.identity.name) for one in candidates}
        if len(people) > 1:
            why = f"two students would be called {candidates[0].student}: give a roster"
            self.skipped += [(one.entry.path, why) for one in candidates]
            return None
        *others, best = sorted(candidates, key=lambda one: one.order(self.naming.assignment))
        why = f"another file of {best.student} was taken: {printable(best.entry.path)}"
        self.skipped += [(one.entry.path, why) for one in others]
        return best


def no_submission(path: str) -> str:
    """Return why a path is no submission; empty if it may be one."""
    parts = PurePosixPath(path).parts
    if "\\" in path or path.startswith("/") or ".." in parts or ":" in "".join(parts[:1]):
        return "its path leads out of the export"
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return "a hidden file, not handed in"
    if not path.lower().endswith(".ipynb"):
        return "not a notebook (.ipynb)"
    return ""


def printable(path: str) -> str:
    r"""Return a stranger's path with whatever a terminal might obey spelled out.

    >>> print(printable("a\x1b[2J.ipynb"))
    a\x1b[2J.ipynb
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)


def _time(identity: Identity, owner: Owner, entry: Entry) -> datetime | None:
    """Return when a file was handed in: the roster knows best, then the platform, then the file."""
    if identity.submitted_at:
        return datetime.fromisoformat(identity.submitted_at).astimezone(UTC)
    return owner.submitted or (entry.modified if owner.timed else None)


def _student_id(name: str) -> str:
    """Return the id that is made of a name; raise ValueError where none can be."""
    text = re.sub(r"[^\w.@+' -]+", "_", unicodedata.normalize("NFKC", name)).strip("._ -'")
    try:
        return student_name(text)
    except ValueError:
        raise ValueError("no usable student id can be made of its name") from None
