"""The learner's own record of what is done: a small file on the learner's own disk.

`check` writes it, `progress()` shows it, nobody else reads it. It lies at
``~/.mlsys_course/progress.json``, or where the environment variable MLSYS_PROGRESS says. It is
never worth an error: where it cannot be written, that is said once and the check goes on.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from mlsys_lib.grading.public import EXERCISES

VARIABLE = "MLSYS_PROGRESS"
_LOCK_WAIT_S, _LOCK_STALE_S = 2.0, 10.0


def progress_path(path: str | os.PathLike[str] | None = None) -> Path:
    """Return where the record lies: `path`, or what MLSYS_PROGRESS says, or the home folder."""
    chosen = path or os.environ.get(VARIABLE) or Path("~", ".mlsys_course", "progress.json")
    return Path(chosen).expanduser()


def record(name: str, passed: int, total: int, path: str | os.PathLike[str] | None = None) -> None:
    """Note that `passed` of the `total` public tests of `name` have passed.

    An exercise that is done stays done, whatever is tried in it later.
    """
    try:
        file = progress_path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        with _locked(file):
            entries = _read(file, set_aside=True)
            done = bool(entries.get(name, {}).get("done")) or passed == total
            entries[name] = {
                "done": done,
                "passed": passed,
                "total": total,
                "at": time.strftime("%Y-%m-%dT%H:%M:%S"),
            }
            _write(file, entries)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        _say_once(f"(progress is not kept: {error})")


def progress(path: str | os.PathLike[str] | None = None) -> None:
    """Print which exercises of the book are done, tried and open, in the book's order.

    Parameters
    ----------
    path : str or path, optional
        The record. By default the learner's own, see the module's first lines.
    """
    file = progress_path(path)
    entries = _read(file, set_aside=False)
    for topic, titles in EXERCISES.items():
        states = {name: _state(entries.get(name)) for name in titles}
        done = sum(state == "done" for state in states.values())
        print(f"{topic.replace('_', ' ').capitalize()}: {done} of {len(titles)} done")
        for name, state in states.items():
            print(f"  {state:<13} {titles[name]} ({name})")
    print(f"Kept in {file}")


def _state(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "open"
    if entry.get("done"):
        return "done"
    return f"tried, {entry.get('passed', 0)} of {entry.get('total', '?')}"


def _read(file: Path, *, set_aside: bool) -> dict[str, dict[str, Any]]:
    """Return the entries; a broken file counts as empty, and is renamed if `set_aside`."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        entries = content["exercises"]
        if not all(isinstance(entry, dict) for entry in entries.values()):
            raise TypeError("an entry is not an object")
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        if set_aside:
            aside = file.with_name(f"{file.name}.broken-{time.time_ns()}")
            file.replace(aside)
            print(f"(the record of progress was broken; it is kept as {aside})")
        return {}
    return dict(entries)


def _write(file: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Replace the file as a whole, so that no reader ever sees half of it."""
    text = json.dumps({"version": 1, "exercises": entries}, indent=1)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keep other notebooks out while this one reads and writes.

    The lock is a file that only one can make: that works on every system. One that its owner
    left behind is broken after ten seconds.
    """
    lock = file.with_name(f"{file.name}.lock")
    deadline_s = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            if _age_s(lock) > _LOCK_STALE_S:
                lock.unlink(missing_ok=True)
            elif time.monotonic() > deadline_s:
                raise TimeoutError(f"{lock} is held by another notebook") from None
            else:
                time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _age_s(lock: Path) -> float:
    try:
        return time.time() - lock.stat().st_mtime
    except FileNotFoundError:  # released just now
        return 0.0


@cache
def _say_once(message: str) -> None:
    print(message)
