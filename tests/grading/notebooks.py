"""A small assignment, and what students make of it."""

import copy
import json
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.preprocessors import (
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)

from mlsys_lib.grading.context import Context

SECRET = bytes(range(32))
CONTEXT = Context("sums", "ada", SECRET)

DOUBLE = '''def double(x):
    """Return 2 x."""
    ### BEGIN SOLUTION
    total = x + x
    return total
    ### END SOLUTION
'''
DOUBLE_PUBLIC = """from mlsys_lib.grading import expect_equal
expect_equal(double(3), 6, given="x = 3", hint="Twice, not squared.")
"""
DOUBLE_HIDDEN = '''"""Doubling must work for any integer."""
### BEGIN HIDDEN TESTS
from mlsys_lib.grading import expect_equal, secret_rng
for number in secret_rng("double").integers(1_000_000, 9_000_000, size=3).tolist():
    expect_equal(double(number), 2 * number, given=f"x = {number}")
### END HIDDEN TESTS
'''
TOTAL = """def total(x):
    ### BEGIN SOLUTION
    return float(sum(x.tolist()))
    ### END SOLUTION
"""
TOTAL_HIDDEN = '''"""The total of an array is the sum of its entries."""
### BEGIN HIDDEN TESTS
from mlsys_lib.grading import expect_close, secret_rng
x = secret_rng("total").normal(size=5)
expect_close(total(x), float(x.sum()), hint="Every entry counts once.")
### END HIDDEN TESTS
'''


def marked(cell: NotebookNode, exercise: str, role: str, grade_id: str, **flags: Any) -> Any:
    """Give a cell the course's and nbgrader's metadata."""
    cell.id = grade_id.replace("_", "-")
    cell.metadata = NotebookNode(
        mlsys=NotebookNode(exercise=exercise, role=role),
        nbgrader=NotebookNode(
            {"schema_version": 3, "grade": False, "solution": False, "locked": False}
            | {"task": False, "grade_id": grade_id}
            | flags
        ),
    )
    return cell


def answer(exercise: str, text: str) -> NotebookNode:
    return marked(new_code_cell(text), exercise, "answer", exercise, solution=True)


def test_cell(exercise: str, role: str, text: str, points: float = 2) -> NotebookNode:
    flags = {"grade": True, "locked": True, "points": points}
    return marked(new_code_cell(text), exercise, role, f"{exercise}_{role}", **flags)


test_cell.__test__ = False  # type: ignore[attr-defined]


def prompt(exercise: str, text: str) -> NotebookNode:
    return marked(new_markdown_cell(text), exercise, "prompt", f"{exercise}_prompt", locked=True)


def given(name: str, text: str) -> NotebookNode:
    return marked(new_code_cell(text), name, "given", name, locked=True)


def manual(exercise: str) -> NotebookNode:
    cell = new_markdown_cell("It grows with the number of ranks.")
    flags = {"grade": True, "solution": True, "points": 5}
    return marked(cell, exercise, "manual", f"{exercise}_manual", **flags)


def source(*cells: NotebookNode) -> NotebookNode:
    """The instructor's notebook; by default two functions and a text."""
    cells = cells or (
        prompt("double", "## Double\nWrite `double`."),
        answer("double", DOUBLE),
        test_cell("double", "public", DOUBLE_PUBLIC, points=1),
        test_cell("double", "hidden", DOUBLE_HIDDEN),
        prompt("total", "## Total\nWrite `total`."),
        answer("total", TOTAL),
        test_cell("total", "hidden", TOTAL_HIDDEN, points=3),
        prompt("why", "## Why\nSay why."),
        manual("why"),
    )
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    course = {"title": "Sums", "withholds": [], "preload": ["numpy"]}
    return new_notebook(
        cells=copy.deepcopy(list(cells)), metadata={"kernelspec": kernel, "mlsys": course}
    )


def released(notebook: NotebookNode | None = None) -> dict[str, Any]:
    """What a student opens, by the steps of nbgrader's own release."""
    book = copy.deepcopy(notebook or source())
    steps = (LockCells, ClearSolutions, ClearOutput, ComputeChecksums)
    for step in (*steps, ClearHiddenTests, ClearMarkScheme, ComputeChecksums):
        book, _ = step().preprocess(book, {})
    return json.loads(json.dumps(book))


def answered(answers: dict[str, str], notebook: NotebookNode | None = None) -> dict[str, Any]:
    """A student's notebook with the text of some cells replaced, by grade_id."""
    book = released(notebook)
    for name, text in answers.items():
        cell_of(book, name)["source"] = text
    return book


GOOD = {
    "double": "def double(x):\n    return 2 * x\n",
    "total": "def total(x):\n    return float(x.sum())\n",
    "why_manual": "Because every rank sends once.",
}


def good(**changes: str) -> dict[str, Any]:
    """Right answers, but for the changes."""
    return answered(GOOD | changes)


def cell_of(book: dict[str, Any], grade_id: str) -> dict[str, Any]:
    cells = book["cells"]
    return next(c for c in cells if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)


def own(text: str, cell_type: str = "code") -> dict[str, Any]:
    """A cell that a student added."""
    cell: dict[str, Any] = {"cell_type": cell_type, "metadata": {}, "source": text}
    return cell | ({"outputs": [], "execution_count": None} if cell_type == "code" else {})


def write(folder: Path, book: Any) -> Path:
    """Save a submission: a notebook as a dict, text, or bytes."""
    path = folder / "sums.ipynb"
    if isinstance(book, bytes):
        path.write_bytes(book)
    else:
        path.write_text(book if isinstance(book, str) else json.dumps(book), encoding="utf-8")
    return path
