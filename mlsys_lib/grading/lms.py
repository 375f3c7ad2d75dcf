"""Whose file is it? What the exports of learning platforms call the files that students handed in.

Canvas
    ``lovelaceada_LATE_1815_67890_ring-1.ipynb``: the name squeezed and in lower case, LATE if it
    was, the student's number, the file's number, the student's own file name. With anonymous
    grading ``anon_x7Yz1_67890_ring.ipynb``. The times in the zip are those of the export.
Moodle
    ``Ada Lovelace_1815_assignsubmission_file_/ring.ipynb``, in newer versions without the last
    underscore, or without folders ``Ada Lovelace_1815_assignsubmission_file_ring.ipynb``. The
    number is the participant's, of this one assignment. The times in the zip are the export's.
Gradescope
    ``assignment_9_export/submission_123/ring.ipynb``; ``submission_metadata.yml`` beside the
    folders says who handed in, and when. A group has several submitters.
Plain
    ``<student>.ipynb``, ``<student>/<assignment>.ipynb``, or nbgrader's own
    ``<student>/<assignment>/<assignment>.ipynb``.

What a student names counts for nothing: only the first part of a path says whose it is, read from
its left, and the folders that the whole export lies in are passed over.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

_CANVAS = re.compile(
    r"(?P<name>.+?)(?P<late>_LATE)?_(?P<id>\d+)_(?P<upload>\d+)_(?P<file>.+)", re.DOTALL
)
_ANONYMOUS = re.compile(
    r"(?P<late>LATE_)?(?P<name>anon_(?P<id>[^_]+))_(?P<upload>\d+)_(?P<file>.+)", re.DOTALL
)
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_file(_(?P<file>.*))?", re.DOTALL)
_GRADESCOPE = re.compile(r"submission_\d+")
_VERSION = re.compile(r"(?P<stem>.*?)(?:-| ?\()(?P<number>\d+)\)?", re.DOTALL)
METADATA = "submission_metadata.yml"


@dataclass(frozen=True)
class Owner:
    """Whose file it is, in the platform's words.

    Attributes
    ----------
    name : str
        What the export calls the student.
    file : str
        The file's name as the student had it.
    lms_id, login, email : str
        The platform's number, the student's own id, and address; empty if the export has none.
    late : bool
        Whether the platform marked it as late.
    upload : int
        Grows with each file handed in; 0 where the platform does not number them.
    timed : bool
        Whether the times in the export mean something.
    submitted : datetime or None
        When it was handed in, where the platform says so; UTC.
    """

    name: str
    file: str
    lms_id: str = ""
    login: str = ""
    email: str = ""
    late: bool = False
    upload: int = 0
    timed: bool = False
    submitted: datetime | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """What the student can be looked up by, surest first."""
        return self.lms_id, self.login, self.email

    def rank(self, assignment: str) -> tuple[bool, int, int]:
        """Order the files of one student: the assignment's name first, then the latest upload."""
        stem, version = split_version(self.file)
        return stem == assignment, self.upload, version


@dataclass(frozen=True)
class Naming:
    """How the files of one export are named.

    Attributes
    ----------
    assignment : str
        The assignment's name.
    wrapper : tuple of str
        The folders that the whole export lies in.
    pattern : re.Pattern, optional
        The instructor's own, with a group `student`; replaces all the others.
    metadata : mapping
        Gradescope's, by the name of the submission's folder; empty for another platform.
    """

    assignment: str
    wrapper: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def is_metadata(self, path: str) -> bool:
        """Return whether a file is the platform's own list of who handed in."""
        return PurePosixPath(path).parts == (*self.wrapper, METADATA)

    def owners(self, path: str) -> list[Owner]:
        """Return who handed in the file at `path`: nobody known, one, or a group."""
        if self.pattern is not None:
            match = self.pattern.search(path)
            return [_named(match["student"], path)] if match and match["student"] else []
        parts = PurePosixPath(path).parts[len(self.wrapper) :]
        if self.metadata:
            return list(_submitters(self.metadata.get(parts[0]), parts[-1]))
        if match := _MOODLE.fullmatch(parts[0]):
            file = match["file"] or parts[-1]
            return [Owner(match["name"], file, lms_id=match["id"])]
        if len(parts) == 1 and (
            match := _ANONYMOUS.fullmatch(parts[0]) or _CANVAS.fullmatch(parts[0])
        ):
            return [_canvas(match)]
        if _GRADESCOPE.fullmatch(parts[0]):
            return []  # its metadata is missing
        if len(parts) == 1 and split_version(parts[0])[0] == self.assignment:
            return []
        return [_named(parts[0] if len(parts) > 1 else PurePosixPath(parts[0]).stem, path)]


def wrapper(paths: Sequence[str], assignment: str) -> tuple[str, ...]:
    """Return the folders that all files of an export lie in, above those of its students.

    >>> wrapper(["all/ada/ring.ipynb", "all/alan/ring.ipynb"], "ring")
    ('all',)
    >>> wrapper(["submitted/ada/ring/ring.ipynb"], "ring")
    ('submitted',)
    """
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    depth = 0
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1 or _MOODLE.fullmatch(level[0]) or _GRADESCOPE.fullmatch(level[0]):
            break
        depth += 1
    shared = folders[0][:depth] if folders else ()
    files = [PurePosixPath(path).name for path in paths if path.count("/") == depth]
    if files and all(split_version(file)[0] == assignment for file in files):
        # The files are one student's, so the folder above is that student's.
        shared = shared[:-1]
        while shared and (folders[0][len(shared)] == assignment):
            shared = shared[:-1]
    return shared


def split_version(file: str) -> tuple[str, int]:
    """Split a notebook's name into its stem and the number of a repeated upload.

    >>> split_version("ring-2.ipynb"), split_version("ring (1).ipynb"), split_version("ring.ipynb")
    (('ring', 2), ('ring', 1), ('ring', 0))
    """
    stem = PurePosixPath(file).stem
    match = _VERSION.fullmatch(stem)
    return (match["stem"], int(match["number"][:9])) if match else (stem, 0)


def read_metadata(text: bytes) -> dict[str, Any]:
    """Return Gradescope's submission_metadata.yml.

    Raises
    ------
    ValueError
        If it is not what Gradescope writes.
    """
    import yaml  # type: ignore[import-untyped]  # comes with nbgrader

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one reads megabytes in a second
    try:
        found = yaml.load(text, Loader=loader)  # both loaders make plain data only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{METADATA} must be YAML, got one that is not: {first}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{METADATA} must map folders to submissions, got {type(found).__name__}")
    return found


def _named(student: str, path: str) -> Owner:
    return Owner(student, PurePosixPath(path).name, login=student, timed=True)


def _canvas(match: re.Match[str]) -> Owner:
    return Owner(
        match["name"],
        match["file"],
        lms_id=match["id"],
        late=match["late"] is not None,
        upload=int(match["upload"][:18]),
    )


def _submitters(submission: Any, file: str) -> Iterator[Owner]:
    """Yield the members of a Gradescope submission; its keys are Ruby's symbols."""
    found = submission if isinstance(submission, dict) else {}
    submitted = found.get(":created_at")
    if isinstance(submitted, datetime):
        submitted = submitted.replace(tzinfo=submitted.tzinfo or UTC).astimezone(UTC)
    else:
        submitted = None
    for person in found.get(":submitters") or ():
        name, sid, email = (str(person.get(key) or "") for key in (":name", ":sid", ":email"))
        if sid or email or name:
            yield Owner(name, file, login=sid or email, email=email, submitted=submitted)
