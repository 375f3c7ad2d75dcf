"""A clean notebook: the assignment's own cells, with the student's answers put into them.

A submission is never run, nor saved, as it came. Each cell of the assignment is taken from the
instructor's source; only the text of an answer, and cells that the student added, come from the
submission, in the student's order. So a test that was edited is the author's test again, and
points, flags and types are what they were. What differed is listed: `tampered`.

It is no tampering when an editor rewrites a notebook: another order of metadata, text as one string
or as lines, spaces at the ends of lines, outputs, counters, cell ids.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from nbformat import NotebookNode
from nbgrader.preprocessors import (
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from nbgrader.utils import is_grade, is_locked, is_solution

from mlsys_lib.grading.inert import inert_markdown
from mlsys_lib.grading.preflight import Cell, Invalid, Submission


@dataclass(frozen=True)
class Assignment:
    """What a submission is held against; see `prepare`.

    Attributes
    ----------
    metadata : NotebookNode
        Of the source notebook.
    cells : dict of str to NotebookNode
        By grade_id, in order: stubs for answers, tests with their hidden part, checksums.
    released : dict of str to str
        The text that each of them had when students got it.
    """

    metadata: NotebookNode
    cells: dict[str, NotebookNode]
    released: dict[str, str]


@dataclass(frozen=True)
class Clean:
    """A submission put into the assignment's cells.

    Attributes
    ----------
    notebook : NotebookNode
        nbformat 4.5, without outputs.
    tampered : tuple of str
        grade_ids of the cells that were restored, in order; a cell that only pretends to be a test
        is "cell 7".
    unanswered : frozenset of str
        grade_ids of the answers that are still as released.
    """

    notebook: NotebookNode
    tampered: tuple[str, ...]
    unanswered: frozenset[str]


def prepare(source: NotebookNode) -> Assignment:
    """Return the assignment of an instructor's source notebook, by nbgrader's own preprocessors."""
    stored = copy.deepcopy(source)
    for step in (LockCells, ClearSolutions, ClearOutput, ComputeChecksums):
        stored, _ = step().preprocess(stored, {})
    released = copy.deepcopy(stored)
    for step in (ClearHiddenTests, ClearMarkScheme):
        released, _ = step().preprocess(released, {})
    marked = [i for i, cell in enumerate(stored.cells) if _is_marked(cell)]
    names = [stored.cells[i].metadata.nbgrader.grade_id for i in marked]
    return Assignment(
        copy.deepcopy(source.metadata),
        {name: stored.cells[i] for name, i in zip(names, marked, strict=True)},
        {name: released.cells[i].source for name, i in zip(names, marked, strict=True)},
    )


def clean(submission: Submission, assignment: Assignment) -> Clean:
    """Return the clean notebook of `submission`.

    Raises
    ------
    Invalid
        If an answer or a test is missing, or is there twice: nobody can say which one counts.
    """
    _require_each_once(submission, assignment)
    cells: list[NotebookNode] = []
    tampered, unanswered = set(), set()
    for number, (cell, name) in enumerate(_matched(submission, assignment), 1):
        if name is None:
            cells.append(_own_cell(cell, number))
            if cell.claims.get("grade"):
                tampered.add(f"cell {number}")
            continue
        template = assignment.cells[name]
        same_text = _same_text(cell.source, assignment.released[name])
        if not _same_marks(cell, template) or (is_locked(template) and not same_text):
            tampered.add(name)
        if is_solution(template) and same_text:
            unanswered.add(name)
        cells.append(_restored(template, None if same_text else cell.source))
    tampered |= _put_back_missing(cells, assignment)
    order = [*assignment.cells, *(f"cell {i}" for i in range(1, len(submission.cells) + 1))]
    notebook = _node(
        nbformat=4, nbformat_minor=5, metadata=copy.deepcopy(assignment.metadata), cells=cells
    )
    return Clean(notebook, tuple(n for n in order if n in tampered), frozenset(unanswered))


def name_of(cell: NotebookNode) -> str:
    """Return what a cell of a clean notebook is called: its grade_id, or "cell 7"."""
    if _is_marked(cell):
        return str(cell.metadata.nbgrader.grade_id)
    return str(cell.metadata.get("name", ""))


def runs_in_sandbox(cell: NotebookNode) -> bool:
    """Whether a cell's code is run as the student's: all code is, but for tests."""
    return cell.cell_type == "code" and (is_solution(cell) or not is_grade(cell))


def exercise_of(cell: NotebookNode) -> str:
    """Return the exercise that a cell belongs to, as its metadata say; else its own name."""
    return str(course_metadata(cell).get("exercise", name_of(cell)))


def course_metadata(node: NotebookNode) -> dict[str, Any]:
    """Return what the course notes at a cell or a notebook; may be empty."""
    return cast(dict[str, Any], node.metadata.get("mlsys", {}))


def _is_marked(cell: NotebookNode) -> bool:
    return bool(is_grade(cell) or is_solution(cell) or is_locked(cell))


def _require_each_once(submission: Submission, assignment: Assignment) -> None:
    """Check answers and tests; prompts and hints can be put back, and copies of them do no harm."""
    seen = Counter(cell.grade_id for cell in submission.cells)
    needed = [n for n, cell in assignment.cells.items() if is_grade(cell) or is_solution(cell)]
    problems = []
    for what, names in (
        ("missing", [name for name in needed if seen[name] == 0]),
        ("there more than once", [name for name in needed if seen[name] > 1]),
    ):
        if names:
            cells = "this cell is" if len(names) == 1 else "these cells are"
            problems.append(f"{cells} {what}: {', '.join(names)}")
    if problems:
        raise Invalid("; ".join(problems), submission.digest)


def _same_text(one: str, other: str) -> bool:
    """Whether two texts are the same but for spaces at ends of lines and lines at the end."""
    return _lines(one) == _lines(other)


def _matched(submission: Submission, assignment: Assignment) -> Iterator[tuple[Cell, str | None]]:
    """Pair each cell with the name of the assignment's cell that it is, None if it is none."""
    placed = set()
    for cell in submission.cells:
        name = cell.grade_id
        if name in assignment.cells and name not in placed:
            placed.add(name)
            yield cell, name
        else:
            yield cell, None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().replace("\r\n", "\n").split("\n")]


def _same_marks(cell: Cell, template: NotebookNode) -> bool:
    """Whether the cell's type, flags and points are those of the assignment."""
    marks = template.metadata.nbgrader
    if cell.cell_type != template.cell_type:
        return False
    flags = ("grade", "solution", "locked", "task")
    if any(bool(cell.claims.get(flag)) != bool(marks.get(flag)) for flag in flags):
        return False
    points: Any = cell.claims.get("points")
    if not is_grade(template):
        return True
    return type(points) in (int, float) and bool(points == float(marks.points))


def _restored(template: NotebookNode, text: str | None) -> NotebookNode:
    """Return the assignment's cell; if it is an answer, with the student's text in it."""
    cell = copy.deepcopy(template)
    if is_solution(cell) and text is not None:
        cell.source = text if cell.cell_type == "code" else inert_markdown(text)
    return cell


def _own_cell(cell: Cell, number: int) -> NotebookNode:
    """Return a cell that the student added; a raw one becomes text, since raw may mean HTML."""
    label = {"id": f"own-{number}", "metadata": _node(name=f"cell {number}")}
    if cell.cell_type == "code":
        code: dict[str, Any] = {"source": cell.source, "execution_count": None, "outputs": []}
        return _node(cell_type="code", **label, **code)
    return _node(cell_type="markdown", **label, source=inert_markdown(cell.source))


def _put_back_missing(cells: list[NotebookNode], assignment: Assignment) -> set[str]:
    """Insert the assignment's lost cells, each behind the one that it followed; return which."""
    lost = set(assignment.cells) - {name_of(cell) for cell in cells}
    before = None
    for name, template in assignment.cells.items():
        if name in lost:
            names = [name_of(cell) for cell in cells]
            cells.insert(names.index(before) + 1 if before else 0, copy.deepcopy(template))
        before = name
    return lost


def _node(**fields: Any) -> NotebookNode:
    return NotebookNode(**fields)  # type: ignore[no-untyped-call]
