"""Build the book into `_build/html`, executing again whatever could have changed.

Jupyter Book keeps the outputs of a notebook as long as the *text of its cells* is the same. A
change in `mlsys_lib` would leave old numbers in a new book, so the outputs are dropped whenever
anything that a cell can see has changed. Sphinx, in turn, keeps a page as long as its source is
the same, and says nothing the second time about a warning that it gave the first time; so its
pages are dropped when the look of them changed, and after every build that failed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What a cell can see besides its own text. Data that chapters read belongs here too.
CELL_INPUTS = (
    "mlsys_lib",
    "benchmarks/results",
    "sphinx_ext",
    "requirements.txt",
    "requirements-dev.txt",
    "constraints.txt",
    "pyproject.toml",
    "_config.yml",
)
# What every page can see besides that.
PAGE_INPUTS = (*CELL_INPUTS, "_toc.yml", "_static", "third_party", "chapters/references.bib")
# All there is: while this stays the same, there is nothing to do. Of chapters and exercises Sphinx
# knows which pages they change.
BOOK_INPUTS = (*PAGE_INPUTS, "chapters", "exercises", "tools")


def files_under(path: Path) -> Iterator[Path]:
    """Yield the files that `path` holds, in a fixed order and without what Python caches."""
    if path.is_file():
        yield path
    for child in sorted(path.rglob("*")):
        if child.is_file() and "__pycache__" not in child.parts:
            yield child


def digest(root: Path, names: Iterable[str]) -> str:
    """Return a hash of the interpreter and of all the files under `names`."""
    whole = hashlib.sha256(sys.version.encode())
    for name in names:
        for file in files_under(root / name):
            whole.update(str(file.relative_to(root)).encode())
            whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def is_made_from(key: Path, value: str) -> bool:
    """Whether the file `key` says that what lies beside it was made from `value`."""
    return key.is_file() and key.read_text(encoding="utf-8") == value


def drop_if_changed(key: Path, value: str, *stale: Path) -> None:
    """Delete `stale` unless the file `key` says that it was made from `value`."""
    if is_made_from(key, value):
        return
    key.unlink(missing_ok=True)
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text(value, encoding="utf-8")


def run_jupyter_book(root: Path, log_file: Path) -> int:
    """Run `jupyter-book build` with warnings as errors, its output on the screen and in a log."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [sys.executable, str(jupyter_book), "build", str(root), "-W", "--keep-going"]
    environment = {**os.environ, "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"}
    with (
        log_file.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            log.write(line)
    return process.returncode


def complaints(log_text: str) -> list[str]:
    """Return the lines of a build log that are warnings or errors, each once."""
    lines = [line for line in log_text.splitlines() if "WARNING:" in line or "ERROR:" in line]
    return list(dict.fromkeys(lines))


def bring_up_to_date(root: Path) -> int:
    """Drop what is stale and run Jupyter Book; return its exit status."""
    made = root / "_build"
    doctrees = made / ".doctrees"
    pages = (doctrees, made / "html", made / "jupyter_execute")
    cells = digest(root, CELL_INPUTS)
    drop_if_changed(made / "cells.key", cells, made / ".jupyter_cache", *pages)
    drop_if_changed(made / "pages.key", digest(root, PAGE_INPUTS), *pages)
    notebooks = sorted((root / "chapters").glob("*.ipynb"))
    ahead = [sys.executable, str(Path(__file__).with_name("execute_ahead.py"))]
    # It only saves time: whatever goes wrong there, Jupyter Book meets it again and says so.
    subprocess.run([*ahead, made / ".jupyter_cache", *notebooks], check=False)
    log_file = made / "book.log"
    status = run_jupyter_book(root, log_file)
    if status != 0:
        shutil.rmtree(doctrees, ignore_errors=True)  # or the next build would keep quiet
        print(*complaints(log_file.read_text(encoding="utf-8")), sep="\n", file=sys.stderr)
        print("The book was not built; the whole log is in _build/book.log.", file=sys.stderr)
    return status


def build(root: Path) -> int:
    """Make `root/_build/html` the book of the sources in `root`; return 0 or an exit status."""
    made = root / "_build"
    index, key = made / "html" / "index.html", made / "book.key"
    made.mkdir(exist_ok=True)
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second build waits, and finds the book built
        sources = digest(root, BOOK_INPUTS)
        if not (index.is_file() and is_made_from(key, sources)):
            key.unlink(missing_ok=True)
            status = bring_up_to_date(root)
            if status != 0:
                return status
            key.write_text(sources, encoding="utf-8")
    print(f"The book is built. Open {index.as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT))
