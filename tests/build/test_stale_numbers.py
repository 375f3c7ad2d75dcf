"""A number in the book is the one that the library gives today. On a book of one small page."""

from __future__ import annotations

import re
import textwrap
from concurrent.futures import ThreadPoolExecutor

import build_book
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PAGE = """\
---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
---
# A page

```{code-cell} python3
import os, sys
from pathlib import Path

sys.path.insert(0, "..")
from mlsys_lib.answer import ANSWER

with Path("../executions.txt").open("a") as file:
    file.write("x")
print("answer", ANSWER, os.environ.get("MLSYS_STATIC"))
```
"""


# Ends only beside another notebook: each says that it is there and waits for the other.
MEET = """\
import os, time
from pathlib import Path

with Path("../executions.txt").open("a") as file:
    file.write("x")
Path("../here_{me}").touch()
deadline_s = time.monotonic() + 60
while not Path("../here_{other}").exists():
    assert time.monotonic() < deadline_s, "nobody came"
    time.sleep(0.01)
print("met with", os.environ.get("MLSYS_STATIC"))
"""


class ScratchBook:
    """One page whose cell prints a number of a module, and counts how often it ran."""

    def __init__(self, root):
        self.root = root
        for folder in ("chapters", "mlsys_lib", "sphinx_ext"):
            (root / folder).mkdir()
        (root / "_toc.yml").write_text("format: jb-book\nroot: chapters/index\n")
        extension = build_book.ROOT / "sphinx_ext" / "static_build.py"
        (root / "sphinx_ext" / "static_build.py").write_text(extension.read_text())
        (root / "_config.yml").write_text(
            textwrap.dedent("""\
                title: A book
                only_build_toc_files: true
                execute: {execute_notebooks: cache, timeout: 60}
                sphinx:
                  local_extensions: {static_build: sphinx_ext}
            """)
        )
        self.write_page(PAGE)
        self.write_answer(41)

    def write_page(self, text):
        (self.root / "chapters" / "index.md").write_text(text)

    def write_notebook(self, name, cell):
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        cells = [new_markdown_cell(f"# Notebook {name}"), new_code_cell(cell)]
        notebook = new_notebook(metadata=metadata, cells=cells)
        nbformat.write(notebook, self.root / "chapters" / f"{name}.ipynb")

    def write_answer(self, value):
        (self.root / "mlsys_lib" / "answer.py").write_text(f"ANSWER = {value}\n")

    def build(self):
        return build_book.build(self.root)

    def text_of(self, name):
        return (self.root / "_build" / "html" / "chapters" / f"{name}.html").read_text()

    def printed(self):
        return re.findall(r"answer (\d+) (\w+)", self.text_of("index"))

    def executions(self):
        return len((self.root / "executions.txt").read_text())


@pytest.fixture
def book(tmp_path):
    return ScratchBook(tmp_path)


def test_an_edit_in_the_library_changes_the_number_and_nothing_else_executes(book, capfd):
    assert book.build() == 0
    assert book.printed() == [("41", "1")], "the page, drawn by a kernel that knows it is static"

    capfd.readouterr()
    assert book.build() == 0
    assert book.executions() == 1, "nothing changed, nothing ran"
    assert capfd.readouterr().out.count("\n") == 1, "only the line that says where to open it"

    book.write_page(PAGE + "\nMore prose.\n")
    assert book.build() == 0
    assert book.executions() == 1, "prose is no reason to execute"

    book.write_answer(42)
    assert book.build() == 0
    assert book.printed() == [("42", "1")]
    assert book.executions() == 2


def test_a_warning_fails_the_build_each_time_until_it_is_mended(book, capfd):
    book.write_page(PAGE + "\n{ref}`nowhere`\n")
    for _attempt in (1, 2):
        assert book.build() != 0
        complaint, last = capfd.readouterr().err.strip().splitlines()[-2:]
        assert "undefined label: 'nowhere'" in complaint
        assert last == "The book was not built; the whole log is in _build/book.log."
    assert book.executions() == 1, "the outputs are still good"
    book.write_page(PAGE)
    assert book.build() == 0


def test_an_error_in_a_cell_fails_the_build(book):
    book.write_page(PAGE.replace("ANSWER, os", "ANSWER / 0, os"))
    assert book.build() != 0


def test_two_notebooks_execute_side_by_side_and_once(book):
    for me, other in ("ab", "ba"):
        book.write_notebook(me, MEET.format(me=me, other=other))
    chapters = "chapters: [{file: chapters/a}, {file: chapters/b}]"
    (book.root / "_toc.yml").write_text(f"format: jb-book\nroot: chapters/index\n{chapters}\n")
    assert book.build() == 0
    assert all("met with 1" in book.text_of(name) for name in "ab")
    assert book.executions() == 3, "both of them, and the first page"

    book.write_notebook("a", "1 / 0")
    assert book.build() != 0
    assert book.executions() == 3, "b's outputs are still good"


def test_two_builds_at_once_build_once(book):
    with ThreadPoolExecutor() as threads:
        statuses = list(threads.map(lambda _: book.build(), range(2)))
    assert statuses == [0, 0]
    assert book.executions() == 1


def test_the_last_line_says_where_to_open_the_book(book, capfd):
    assert book.build() == 0
    index = book.root / "_build" / "html" / "index.html"
    assert capfd.readouterr().out.splitlines()[-1] == f"The book is built. Open {index.as_uri()}"


@pytest.mark.parametrize("name", ["mlsys_lib", "requirements.txt", "_config.yml", "sphinx_ext"])
def test_what_a_cell_can_see_is_part_of_the_key(name):
    assert name in build_book.CELL_INPUTS


def test_an_edit_in_an_exercise_is_a_reason_to_build():
    assert "exercises" in build_book.BOOK_INPUTS


def test_the_key_sees_names_contents_and_moves(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.py").write_text("1")
    keys = [build_book.digest(tmp_path, ["a"])]
    (tmp_path / "a" / "one.py").write_text("2")
    keys.append(build_book.digest(tmp_path, ["a"]))
    (tmp_path / "a" / "one.py").rename(tmp_path / "a" / "two.py")
    keys.append(build_book.digest(tmp_path, ["a"]))
    (tmp_path / "a" / "two.py").unlink()
    keys.append(build_book.digest(tmp_path, ["a"]))
    assert len(set(keys)) == 4


def test_what_python_caches_is_no_part_of_the_key(tmp_path):
    (tmp_path / "a" / "__pycache__").mkdir(parents=True)
    before = build_book.digest(tmp_path, ["a"])
    (tmp_path / "a" / "__pycache__" / "one.pyc").write_text("1")
    assert build_book.digest(tmp_path, ["a"]) == before
