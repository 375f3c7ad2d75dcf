"""Who is who: the students of a course, by our ids and by those of the learning platform.

A roster is a CSV file with a heading line. The gradebook that Canvas exports, the grading
worksheet of Moodle and the roster of Gradescope can be given as they are, or a file of one's own
with a column `student_id` and any of `lms_id`, `name`, `first_name`, `last_name`, `email`,
`submitted_at` (ISO 8601, with a time zone).

Platforms call a student what they please: Canvas by a squeezed name and its own number, Moodle by
the full name and a number of that one assignment. `Roster.find` takes any of these.
"""

import csv
import json
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from mlsys_lib.grading.course import Course, student_name, write_atomically

# Headings in the order in which they are looked for. The last ones of STUDENT are used only where a
# platform knows no better name for a student.
STUDENT = (
    "student_id", "SIS Login ID", "SIS User ID", "Username", "ID number", "SID",
    "Email address", "Email", "ID", "Identifier",
)  # fmt: skip
COLUMNS = {
    "lms_id": ("lms_id", "lms_user_id", "ID", "Identifier"),
    "name": ("name", "Student", "Full name", "Name"),
    "first_name": ("first_name", "First name", "First Name"),
    "last_name": ("last_name", "Last name", "Last Name", "Surname"),
    "email": ("email", "Email address", "Email"),
    "submitted_at": ("submitted_at",),
}


@dataclass(frozen=True)
class Identity:
    """One student.

    Attributes
    ----------
    student : str
        The id used in this course's folders and gradebook.
    lms_id : str
        The platform's own id, as its imports want it; empty if unknown.
    name, first_name, last_name, email : str
        As the platform has them; empty if unknown.
    submitted_at : str
        When the student handed in, ISO 8601 with a time zone; empty if unknown.
    listed : bool
        Whether a roster names the student, or only an export did.
    """

    student: str
    lms_id: str = ""
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    submitted_at: str = ""
    listed: bool = False

    @property
    def number(self) -> str:
        """The number in Moodle's "Participant 123", which its file names have alone."""
        return self.lms_id.removeprefix("Participant ").strip()

    def ids(self) -> Iterator[str]:
        """Yield what names this student and nobody else."""
        yield from (self.lms_id, self.number, self.student, self.email)

    def names(self) -> Iterator[str]:
        """Yield the names that a roster gives the student; another one may have them too."""
        if not self.listed:
            return
        yield from (self.name, f"{self.first_name} {self.last_name}")
        yield f"{self.last_name} {self.first_name}"


class Roster:
    """The students, in the order of their ids."""

    def __init__(self, identities: Iterable[Identity] = ()) -> None:
        self._by_student = {identity.student: identity for identity in identities}
        self._by_id = _index(self, Identity.ids, str.casefold)
        self._by_export = _index(self, lambda identity: [identity.name], str)
        self._by_name = _index(self, Identity.names, _squeeze)

    def __iter__(self) -> Iterator[Identity]:
        return (self._by_student[student] for student in sorted(self._by_student))

    def __len__(self) -> int:
        return len(self._by_student)

    def get(self, student: str) -> Identity:
        """Return the identity of `student`; a bare one if the roster does not have it."""
        return self._by_student.get(student, Identity(student))

    def find(self, ids: Iterable[str], name: str) -> list[Identity]:
        """Return the students that the first id known to the roster, or else the name, may mean.

        More than one means that two students share it. A name squeezed by the platform is found
        too, but only if a roster spells it out: "a.da" and "ada" of an export may be two people.

        >>> ada = Identity("ada", name="Lovelace, Ada", listed=True)
        >>> [identity.student for identity in Roster([ada]).find(["99"], "lovelaceada")]
        ['ada']
        """
        for one in map(str.casefold, ids):
            if one in self._by_id:
                return self._by_id[one]
        return self._by_export.get(name) or self._by_name.get(_squeeze(name)) or []

    def listed(self) -> "Roster":
        """Return those whom a roster names."""
        return Roster(identity for identity in self if identity.listed)

    def merged(self, identities: Iterable[Identity]) -> "Roster":
        """Return a roster with `identities` added; what they leave empty stays as it was."""
        together = dict(self._by_student)
        for new in identities:
            known = together.get(new.student, new)
            news = {field: value for field, value in asdict(new).items() if value}
            together[new.student] = replace(known, **news)
        return Roster(together.values())


def read_roster(path: Path) -> Roster:
    """Read a CSV roster.

    Raises
    ------
    ValueError
        If the file is not UTF-8, has no column with the students' ids, has an id twice, or a time
        that is none.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"roster must be a CSV file in UTF-8, got {path.name}: {error}") from None
    headings = set(rows[0]) if rows else set()
    student = next((heading for heading in STUDENT if heading in headings), None)
    if student is None:
        raise ValueError(f"roster must have a column {' or '.join(STUDENT)}, got {path.name}")
    identities: dict[str, Identity] = {}
    for line, row in enumerate(rows, start=2):
        name = (row[student] or "").strip()
        if not name:
            continue  # Canvas adds lines that are no students, such as "Points Possible"
        if name in identities:
            raise ValueError(f"roster must have each student once: {name!r}, line {line}")
        identities[name] = _identity(row, student_name(name))
    return Roster(identities.values())


def load_roster(course: Course, assignment: str) -> Roster:
    """Return the roster that `save_roster` kept with an assignment; an empty one at first."""
    path = _kept(course, assignment)
    if not path.exists():
        return Roster()
    return Roster(Identity(**fields) for fields in json.loads(path.read_text(encoding="utf-8")))


def save_roster(course: Course, assignment: str, roster: Roster) -> None:
    """Keep `roster` with the assignment: Moodle numbers the participants of each one anew."""
    text = json.dumps([asdict(identity) for identity in roster], indent=1)
    write_atomically(_kept(course, assignment), text.encode(), mode=0o600)


def _identity(row: dict[str, str], student: str) -> Identity:
    found = {
        field: next((row[heading].strip() for heading in headings if row.get(heading)), "")
        for field, headings in COLUMNS.items()
    }
    if found["submitted_at"] and not _has_zone(found["submitted_at"]):
        raise ValueError(
            "submitted_at must be ISO 8601 with a time zone, such as 2026-03-01T12:00:00+01:00, "
            f"got {found['submitted_at']!r} for {student}"
        )
    return Identity(student, listed=True, **found)


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _index(
    roster: Roster, words: Callable[[Identity], Iterable[str]], key: Callable[[str], str]
) -> dict[str, list[Identity]]:
    found: dict[str, list[Identity]] = defaultdict(list)
    for identity in roster:
        for word in {key(word) for word in words(identity)} - {""}:
            found[word].append(identity)
    return dict(found)


def _squeeze(word: str) -> str:
    """Return the letters and digits of a word: Canvas leaves only these in a name."""
    return "".join(c for c in unicodedata.normalize("NFKC", word).casefold() if c.isalnum())


def _kept(course: Course, assignment: str) -> Path:
    return course.grading(assignment) / "roster.json"
