"""What an instructor's notebook must look like, read without running it."""

import ast
import copy
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, cast

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_locked, is_solution

from mlsys_lib.grading.notebook import course_metadata, exercise_of, name_of, prepare
from mlsys_lib.grading.release import leaks
from mlsys_lib.grading.testcell import names_needed

_REGION = re.compile(r"### BEGIN SOLUTION\n[\s\S]*### END SOLUTION")


@dataclass(frozen=True)
class Exercise:
    """The cells of one exercise.

    Attributes
    ----------
    name : str
    answers : tuple of NotebookNode
        Code that students write; empty for a text that a person marks.
    tests : tuple of NotebookNode
        Graded code cells, public ones first.
    """

    name: str
    answers: tuple[NotebookNode, ...]
    tests: tuple[NotebookNode, ...]


def exercises_of(source: NotebookNode) -> list[Exercise]:
    """Return the exercises of a notebook, in order."""
    cells: dict[str, list[NotebookNode]] = defaultdict(list)
    for cell in source.cells:
        if is_grade(cell) or is_solution(cell):
            cells[exercise_of(cell)].append(cell)
    return [
        Exercise(
            name,
            tuple(cell for cell in own if is_solution(cell) and cell.cell_type == "code"),
            tuple(sorted(filter(is_test, own), key=lambda cell: role_of(cell) != "public")),
        )
        for name, own in cells.items()
    ]


def is_test(cell: NotebookNode) -> bool:
    """Whether a cell's code decides over points."""
    return bool(cell.cell_type == "code" and is_grade(cell) and not is_solution(cell))


def released_notebook(source: NotebookNode) -> dict[str, Any]:
    """Return what students get, as JSON."""
    text = prepare(source).released
    book = copy.deepcopy(source)
    for cell in book.cells:
        cell.source = text.get(name_of(cell), cell.source)
    return cast(dict[str, Any], json.loads(json.dumps(book)))


def problems_of(source: NotebookNode) -> list[str]:
    """Return what is wrong with a notebook, in words for its author."""
    released = nbformat.from_dict(released_notebook(source))  # type: ignore[no-untyped-call]
    problems = [
        f"students would get a line of a solution or hidden test: {line.strip()!r}"
        for line in leaks(source, released)
    ]
    for exercise in exercises_of(source):
        if exercise.answers:
            problems += _problems_of_exercise(exercise)
    given = {
        name: name_of(cell)
        for cell in source.cells
        if cell.cell_type == "code" and is_locked(cell) and not is_grade(cell)
        for name in _bound(cell.source)
    }
    for cell in filter(is_test, source.cells):
        problems += _problems_of_test(cell, given)
    return problems


def _problems_of_exercise(exercise: Exercise) -> list[str]:
    roles = [role_of(cell) for cell in exercise.tests]
    found = [
        f"{exercise.name} has no {role} test" for role in ("public", "hidden") if role not in roles
    ]
    if not all(_REGION.search(cell.source) for cell in exercise.answers):
        found.append(f"{exercise.name}: its solution must stand between ### BEGIN and END SOLUTION")
    return found


def _problems_of_test(cell: NotebookNode, given: dict[str, str]) -> list[str]:
    name = name_of(cell)
    try:
        needed = names_needed(cell.source)
    except SyntaxError as error:
        return [f"{name} does not compile: {error}"]
    found = [
        f"{name} uses `{needs}` of the cell {given[needs]}, which the student can replace: "
        "import it in the test"
        for needs in needed
        if needs in given
    ]
    if role_of(cell) == "hidden" and "secret_rng" not in cell.source:
        found.append(f"{name} must draw its inputs from secret_rng")
    if role_of(cell) == "hidden" and not ast.get_docstring(ast.parse(cell.source)):
        found.append(f"{name} must begin with a docstring: what the student is told")
    return found


def _bound(code: str) -> set[str]:
    """Return the names that a cell binds; none if only a notebook understands it."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return set()
    names = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return names


def role_of(cell: NotebookNode) -> str:
    """Return the role of a test cell; one that does not say is hidden."""
    return str(course_metadata(cell).get("role", "hidden"))
