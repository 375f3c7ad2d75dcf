"""Read a folder or a zip of files that strangers chose, without believing a word of it.

A path inside the export is a label here: nothing is ever unpacked, or written, where it says.
A link is not followed, a size is not believed, what is no file (a pipe, a device) does not block.
"""

import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

MAX_FILES = 50_000  # an export of one assignment; far below what fills a memory with names
# What a damaged, encrypted or unknown compression makes of zipfile.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)


class Unreadable(Exception):
    """A file of the export that cannot be read; says why, in words for the instructor."""


@dataclass(frozen=True)
class Entry:
    """One file of an export.

    Attributes
    ----------
    path : str
        Its name in the export, with "/"; the student's words, so never a place to write to.
    modified : datetime or None
        When it was written last, UTC; None when that is not known.
    read : callable
        ``read(limit)`` returns at most `limit` bytes; raises Unreadable.
    """

    path: str
    modified: datetime | None
    read: Callable[[int], bytes]


@contextmanager
def opened(source: Path) -> Iterator[list[Entry]]:
    """Yield the files of a folder or of a zip, in the order of their paths.

    Raises
    ------
    ValueError
        If `source` is neither, or holds more than `MAX_FILES` files.
    """
    if source.is_dir():
        yield _counted(_folder(source), source)
        return
    if not zipfile.is_zipfile(source):
        raise ValueError(f"source must be a folder or a zip file, got {source}")
    with zipfile.ZipFile(source) as archive:
        yield _counted(_zip(archive), source)


def _counted(entries: Iterator[Entry], source: Path) -> list[Entry]:
    found: list[Entry] = []
    for entry in entries:
        found.append(entry)
        if len(found) > MAX_FILES:
            raise ValueError(f"source must hold at most {MAX_FILES} files, got more in {source}")
    return sorted(found, key=lambda entry: entry.path)


def _folder(root: Path) -> Iterator[Entry]:
    for folder, folders, files in os.walk(root, followlinks=False):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in files + links:
            path = Path(folder) / name
            modified = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
            label = path.relative_to(root).as_posix()
            yield Entry(label, modified, partial(read_file, path))


def read_file(path: Path, limit: int) -> bytes:
    """Return the first bytes of a regular file; a link is refused, and a pipe does not block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        why = "is a link" if path.is_symlink() else (error.strerror or "").lower()
        raise Unreadable(why) from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("is not an ordinary file")
        return file.read(limit)


def _zip(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for info in archive.infolist():
        if not info.is_dir():
            yield Entry(info.filename, _zip_time(info), partial(_read_member, archive, info))


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise Unreadable("is a link")
    if info.flag_bits & 1:
        raise Unreadable("is encrypted")
    try:
        with archive.open(info) as member:
            return member.read(limit)
    except DAMAGE as error:
        raise Unreadable(f"is damaged ({error})") from None


def _zip_time(info: zipfile.ZipInfo) -> datetime | None:
    """Return the time of a member: the extra field of Unix if it has one, else DOS local time."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        if kind == 0x5455 and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            return datetime.fromtimestamp(int.from_bytes(extra[5:9], "little"), UTC)
        extra = extra[4 + size :]
    try:
        return datetime(*info.date_time).astimezone(UTC)
    except ValueError:
        return None
