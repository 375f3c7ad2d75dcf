"""A course's folder: nbgrader's own layout, the course's secret, and where everything lies.

The folder holds every student's work and marks, and the secret that hidden inputs are drawn from,
so it is made readable to its owner alone.
"""

import os
import re
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlsys_lib

CONFIG = '''\
"""What nbgrader's own tools (formgrader, export, database upgrades) do in this course."""

from pathlib import Path

c = get_config()
c.CourseDirectory.root = str(Path(__file__).parent)
# nbgrader's autograder runs students' code with your rights, and its feedback prints the hidden
# tests. Both buttons of formgrader refuse, and name the command to use instead.
c.Autograde.exporter_class = "mlsys_lib.grading.refuse.Autograde"
c.GenerateFeedback.exporter_class = "mlsys_lib.grading.refuse.Feedback"
# Late submissions: "none" costs nothing, "zero" all points; nbgrader's manual tells of others.
# c.LateSubmissionPlugin.penalty_method = "zero"
'''
SECRET_BYTES = 32
_ASSIGNMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_STUDENT = re.compile(r"\w([\w.@+' -]{0,126}[\w.@+'-])?")  # \w: names are not all Latin


class CourseError(RuntimeError):
    """The course is not in a state for what was asked; its one line says the way out."""


def assignment_name(name: str) -> str:
    """Return `name`, if an assignment can be called that.

    Raises
    ------
    ValueError
        If it holds more than ASCII letters, digits, ``_ . -``, or starts with one of these.
    """
    if not _ASSIGNMENT.fullmatch(name):
        raise ValueError(
            f"assignment must be letters, digits, '_', '.', '-', starting with a letter or digit "
            f"(64 at most), got {name[:80]!r}"
        )
    return name


def student_name(name: str) -> str:
    """Return `name`, if a student's folder can be called that.

    Raises
    ------
    ValueError
        If it starts with a dot, or holds separators or other unusual characters.
    """
    if not _STUDENT.fullmatch(name):
        raise ValueError(
            f"student must be letters, digits, spaces and _.@+'- inside (128 at most), "
            f"got {name[:140]!r}"
        )
    return name


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all, and flush it: a killed grader leaves no torn file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Course:
    """Where a course's files lie.

    Attributes
    ----------
    root : Path
        The course's folder, absolute.
    """

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).absolute())

    @property
    def gradebook(self) -> Path:
        """The database, which nbgrader made and reads."""
        return self.root / "gradebook.db"

    @property
    def db_url(self) -> str:
        """The same, as nbgrader wants it named."""
        return f"sqlite:///{self.gradebook}"

    def source(self, assignment: str) -> Path:
        """Return the instructor's notebook: solutions, hidden tests."""
        return self._notebook("source", assignment)

    def released(self, assignment: str) -> Path:
        """Return the notebook that students get."""
        return self._notebook("release", assignment)

    def submitted(self, assignment: str, student: str) -> Path:
        """Return what a student handed in; hostile until graded."""
        return self._notebook("submitted", assignment, student)

    def autograded(self, assignment: str, student: str) -> Path:
        """Return the clean, executed notebook that formgrader shows."""
        return self._notebook("autograded", assignment, student)

    def private(self, assignment: str) -> Path:
        """Return the folder of the instructor's own hidden tests; need not exist."""
        return self.root / "private" / assignment_name(assignment)

    def grading(self, assignment: str) -> Path:
        """Return the folder of verdicts, markers, journal and lock."""
        return self.root / ".grading" / assignment_name(assignment)

    def verdict(self, assignment: str, student: str) -> Path:
        """Return the file of a student's verdict."""
        return self.grading(assignment) / "verdicts" / f"{student_name(student)}.json"

    def students(self, assignment: str) -> list[str]:
        """Return who handed in something, sorted; a folder with an odd name is among them."""
        name = assignment_name(assignment)
        return sorted(folder.parent.name for folder in self.root.glob(f"submitted/*/{name}"))

    def prepare(self) -> None:
        """Make the folder, nbgrader's configuration and the secret, unless they are there."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self.root / "nbgrader_config.py"
        if not config.exists():
            write_atomically(config, CONFIG.encode())
        if not (self.root / "secret").exists():
            _make_secret(self.root / "secret")

    def require_released(self, assignment: str) -> None:
        """Raise `CourseError` unless `assignment` was released here; names those that were."""
        if not self.released(assignment).exists():
            found = sorted(self.root.glob("release/*/*.ipynb"))
            there = [path.stem for path in found if path.stem == path.parent.name]
            raise CourseError(
                f"{assignment} was not released; this course has: {', '.join(there) or 'none yet'}"
            )

    def require(self) -> None:
        """Raise CourseError, with the way out, if there is no course in the folder."""
        if not (self.root / "nbgrader_config.py").is_file():
            raise CourseError(
                f"{self.root} is no course: start one with `mlsys-grade release ASSIGNMENT`, "
                "or name its folder with --course"
            )

    def secret(self) -> bytes:
        """Return the secret that hidden inputs are drawn from.

        Raises
        ------
        CourseError
            If it is missing, or others can read it, or it is not what was written.
        """
        path = self.root / "secret"
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise CourseError(f"others can read {path}: run `chmod 600 {path}`")
            secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            raise CourseError(f"{path} is missing: marks cannot be made again without") from None
        except ValueError:
            raise CourseError(f"{path} must hold hexadecimal digits alone") from None
        if len(secret) != SECRET_BYTES:
            raise CourseError(f"{path} must hold {SECRET_BYTES} bytes, got {len(secret)}")
        return secret

    def _notebook(self, step: str, assignment: str, student: str | None = None) -> Path:
        name = assignment_name(assignment)
        middle = [] if student is None else [student_name(student)]
        return self.root.joinpath(step, *middle, name, f"{name}.ipynb")


def find_exercise(assignment: str, exercises: Path | None = None) -> Path | None:
    """Return the notebook ``<exercises>/<topic>/<assignment>.ipynb``, or None.

    Parameters
    ----------
    assignment : str
        Its name.
    exercises : Path, optional
        Where to look. By default, the folder ``exercises`` of the clone that the command stands
        in, or that the library was installed from.

    Raises
    ------
    CourseError
        If two topics have one of that name.
    """
    name = assignment_name(assignment)
    clones = [Path.cwd(), *Path.cwd().parents, Path(mlsys_lib.__file__).parents[1]]
    folders = [exercises] if exercises else [clone / "exercises" for clone in clones]
    for folder in folders:
        found = sorted([*folder.glob(f"*/{name}.ipynb"), *folder.glob(f"{name}.ipynb")])
        if len(found) > 1:
            raise CourseError(f"{folder} has {len(found)} notebooks named {name}.ipynb")
        if found:
            return found[0]
    return None


def _make_secret(path: Path) -> None:
    """Write the secret under a name of its own, then link it: whoever comes second loses."""
    temporary = path.with_name(f".secret-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # another command made it meanwhile, and that one counts
    finally:
        temporary.unlink()
