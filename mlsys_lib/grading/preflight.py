"""Read a notebook that anybody may have written, and trust nothing about it.

What comes out is a list of cells: their text, and which cell of the assignment each claims to be.
Outputs, attachments and all other metadata stay behind. What cannot be read is `Invalid`, with a
reason that a person can act on; no file, whatever it is, raises anything else.
"""

import errno
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NoReturn, cast, get_args

MAX_FILE_BYTES = 10 * 2**20
MAX_CELLS = 2_000

CellType = Literal["code", "markdown", "raw"]


class Invalid(Exception):
    """A file that cannot be graded.

    Parameters
    ----------
    reason : str
        Why, in words for the student and the instructor.
    digest : str
        SHA-256 of the file, in hex, where it could be read.
    """

    def __init__(self, reason: str, digest: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.digest = digest


@dataclass(frozen=True)
class Cell:
    """One cell as submitted.

    Attributes
    ----------
    cell_type : {"code", "markdown", "raw"}
    source : str
        Its text, which UTF-8 can hold.
    claims : mapping
        What it says in nbgrader's metadata: any JSON, none of it checked.
    """

    cell_type: CellType
    source: str
    claims: Mapping[str, Any]

    @property
    def grade_id(self) -> str | None:
        """The cell of the assignment that it claims to be."""
        found = self.claims.get("grade_id")
        return found if isinstance(found, str) else None


@dataclass(frozen=True)
class Submission:
    """A submitted notebook: its cells in order, and the SHA-256 of the file in hex."""

    cells: tuple[Cell, ...]
    digest: str


def read_submission(path: Path) -> Submission:
    """Return the cells of the notebook at `path`.

    Raises
    ------
    Invalid
        If it is no notebook of format 4 in a regular file of at most 10 MiB.
    """
    data = _read_bytes(path)
    digest = sha256(data).hexdigest()
    try:
        return Submission(_cells(_parse(_decode(data))), digest)
    except Invalid as problem:
        raise Invalid(problem.reason, digest) from problem


def _read_bytes(path: Path) -> bytes:
    try:
        # A link would make the grader read somebody else's file; a pipe would make it wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Invalid(_why_not_opened(path, error)) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Invalid(f"there is {_kind(found.st_mode)}, not a file")
        _check_size(found.st_size)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Invalid(f"the file cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    _check_size(len(data))  # it may have grown since
    return data


def _check_size(size_bytes: int) -> None:
    if size_bytes == 0:
        raise Invalid("the file is empty (0 bytes)")
    if size_bytes > MAX_FILE_BYTES:
        raise Invalid(
            f"the file is too large: {size_bytes:,} bytes, at most {MAX_FILE_BYTES:,} are read; "
            "clear the outputs and submit it again"
        )


def _why_not_opened(path: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "there is a link to another file, not a file"
    if isinstance(error, FileNotFoundError):
        return "there is no file"
    if error.errno == errno.ENXIO:  # what opening a socket gives
        return f"there is {_kind(os.lstat(path).st_mode)}, not a file"
    return f"the file cannot be read: {error.strerror}"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"the text is not UTF-8 (byte {error.start + 1:,})") from error


def _parse(text: str) -> Any:
    def no_constant(name: str) -> NoReturn:
        raise Invalid(f"{name} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):  # two readers could see two different notebooks
            raise Invalid("a key occurs twice in one object of the JSON")
        return found

    try:
        return json.loads(text, parse_constant=no_constant, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        cut = not text.rstrip().endswith("}")
        what = "the file ends in the middle" if cut else "the file is damaged"
        raise Invalid(f"{what} (not JSON: line {error.lineno})") from error
    except RecursionError as error:
        raise Invalid("the JSON is nested too deeply") from error
    except ValueError as error:
        raise Invalid("the JSON holds a number that is too long") from error


def _cells(found: Any) -> tuple[Cell, ...]:
    if not isinstance(found, dict):
        raise Invalid("this is not a notebook: no JSON object")
    version = found.get("nbformat")
    if type(version) is not int:
        raise Invalid("this is not a notebook: it does not say its nbformat")
    if version != 4:
        raise Invalid(
            f"the notebook has format {str(version)[:20]}, needed is 4; "
            "open it in Jupyter and save it again"
        )
    cells = found.get("cells")
    if not isinstance(cells, list):
        raise Invalid("the notebook has no list of cells")
    if len(cells) > MAX_CELLS:
        raise Invalid(f"the notebook has {len(cells):,} cells, at most {MAX_CELLS:,} are read")
    return tuple(_cell(number, cell) for number, cell in enumerate(cells, 1))


def _cell(number: int, found: Any) -> Cell:
    if not isinstance(found, dict):
        raise Invalid(f"cell {number} is not a JSON object")
    cell_type = found.get("cell_type")
    if not isinstance(cell_type, str) or cell_type not in get_args(CellType):
        raise Invalid(f"cell {number} is neither code nor markdown nor raw")
    source = found.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise Invalid(f"cell {number} has no text")
    metadata = found.get("metadata", {})
    if not isinstance(metadata, dict):
        raise Invalid(f"the metadata of cell {number} is not a JSON object")
    claims = metadata.get("nbgrader")
    # JSON can spell half a surrogate pair, which no file can hold.
    text = source.encode("utf-8", "replace").decode("utf-8")
    return Cell(cast(CellType, cell_type), text, claims if isinstance(claims, dict) else {})
