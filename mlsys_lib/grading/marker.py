"""What a saved mark stands for: written after it, so a rerun knows what is left to do."""

import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from mlsys_lib.grading.course import Course, student_name, write_atomically

_READ_BYTES = 16 * 2**20  # more than a submission may have: what counts is that it is too large


@dataclass(frozen=True)
class Marker:
    """One student's.

    Attributes
    ----------
    key : str
        Digest of all that the mark depends on.
    submission : str
        Fingerprint of the file that was graded.
    """

    key: str = ""
    submission: str = ""

    @classmethod
    def read(cls, course: Course, assignment: str, student: str) -> Self:
        """Return a student's marker; an empty one if nothing was saved."""
        path = _path(course, assignment, student)
        words = path.read_text(encoding="ascii").split() if path.exists() else []
        return cls(*words) if len(words) == 2 else cls()

    def write(self, course: Course, assignment: str, student: str) -> None:
        """Keep the marker."""
        content = f"{self.key} {self.submission}\n".encode("ascii")
        write_atomically(_path(course, assignment, student), content, 0o600)


def fingerprint(path: Path) -> str:
    """Return what tells one submission from another, without trusting it to be a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return f"unreadable-{error.errno}"
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return f"no-file-{stat.S_IFMT(found.st_mode)}"
        with open(descriptor, "rb", closefd=False) as file:
            return digest(str(found.st_size), file.read(_READ_BYTES))
    finally:
        os.close(descriptor)


def digest(*parts: str | bytes) -> str:
    """Return the SHA-256, in hex, of parts that cannot run into each other."""
    whole = sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        whole.update(len(content).to_bytes(8, "big") + content)
    return whole.hexdigest()


def _path(course: Course, assignment: str, student: str) -> Path:
    return course.grading(assignment) / "saved" / student_name(student)
